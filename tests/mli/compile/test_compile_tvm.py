"""``compile --with tvm``: what it makes says what onnxruntime says, and works on a core."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.model.artifacts.artifact import check_artifact
from inference.model.artifacts.digests import check_digests, digests_of
from inference.model.profiles.profile import load_profile
from inference.vision.postprocess import Postprocessor
from mli.compile.tvm import environment
from mli.compile.tvm.suppression import Suppression, suppress
from mli.errors import MliError
from mli.profile.dlr_child import run_in_child

from .conftest import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked", "forked_tvm")]

REPOSITORY = Path(__file__).parents[3]
SIDE = 32
CLASSES = ("--kind", "classification")
"""Says of a vector without labels that it is not an embedding."""
GLUONCV = Suppression()


def reference(onnx_models: Path, name: str) -> dict[str, Any]:
    with np.load(onnx_models / f"{name}.npz") as arrays:
        return dict(arrays)


def compiled(run: Run, model: Path, output: Path, *options: object) -> dict[str, Any]:
    done = run("compile", "--with", "tvm", model, "--output", output, "--json", *options)
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check_detections(
    artifact: Path, tensor: Any, scores: Any, boxes: Any, rule: Suppression = GLUONCV
) -> None:
    """Compare an artifact's rows with plain suppression of [A,C] scores and [A,4] pixel boxes."""
    ids, best, kept = suppress(scores, boxes, rule)
    outputs = run_in_child(artifact, "image", tensor).outputs
    count = int((outputs[0] >= 0).sum())
    assert count == len(ids) > 5
    assert outputs[0][0, :count, 0].astype(int).tolist() == ids.tolist()
    assert np.abs(outputs[1][0, :count, 0] - best).max() < 1e-3
    assert np.abs(outputs[2][0, :count] - kept).max() < 1e-3 * SIDE


def test_classifier_says_what_onnxruntime_says(classifier: Path, onnx_models: Path) -> None:
    known = reference(onnx_models, "classifier")
    outputs = run_in_child(classifier, "image", known["input"]).outputs
    assert len(outputs) == 1
    assert np.abs(outputs[0] - known["logits"]).max() < 1e-3


def test_detector_says_what_onnxruntime_and_plain_suppression_say(
    detector: Path, onnx_models: Path
) -> None:
    known = reference(onnx_models, "detector")
    check_detections(detector, known["input"], known["scores"][0][:, 1:], known["boxes"][0] * SIDE)


def test_detector_with_raw_scores_and_y_before_x(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    model, target = onnx_models / "raw_detector.onnx", tmp_path / "raw"
    compiled(run, model, target, "--softmax", "--background", "--box-order", "yxyx")
    known, same = reference(onnx_models, "raw_detector"), reference(onnx_models, "detector")
    assert np.array_equal(known["input"], same["input"])
    check_detections(target, known["input"], same["scores"][0][:, 1:], same["boxes"][0] * SIDE)


def test_detector_that_suppresses_itself_is_cut_before_it(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    model, target = onnx_models / "suppressed.onnx", tmp_path / "cut"
    compiled(run, model, target)
    same = reference(onnx_models, "detector")
    own = Suppression(score_threshold=0.3, iou_threshold=0.5)
    scores, boxes = same["scores"][0][:, 1:], same["boxes"][0] * SIDE
    check_detections(target, same["input"], scores, boxes, own)
    said = json.loads((target / "profile" / "provenance.json").read_text())["options"]
    assert (said["boxOrder"], said["boxUnits"]) == ("yxyx", "fractions")
    assert said["suppression"]["iou_threshold"] == 0.5


def test_own_thresholds_of_a_detector_give_way_to_options(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    model, target = onnx_models / "suppressed.onnx", tmp_path / "cut"
    compiled(run, model, target, "--iou-threshold", "0.2", "--score-threshold", "0.1")
    same = reference(onnx_models, "detector")
    given = Suppression(score_threshold=0.1, iou_threshold=0.2)
    scores, boxes = same["scores"][0][:, 1:], same["boxes"][0] * SIDE
    check_detections(target, same["input"], scores, boxes, given)


def test_operators_of_newer_exporters(onnx_models: Path, run: Run, tmp_path: Path) -> None:
    compiled(run, onnx_models / "opset_20.onnx", tmp_path / "newer", *CLASSES)
    known = reference(onnx_models, "opset_20")
    outputs = run_in_child(tmp_path / "newer", "image", known["input"]).outputs
    assert np.abs(outputs[0] - known["logits"]).max() < 1e-3


def test_a_verification_without_detections_says_so(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    arguments = ["compile", "--with", "tvm", onnx_models / "detector.onnx", "--background"]
    done = run(*arguments, "--score-threshold", "1", "--output", tmp_path / "blind")
    assert done.exit_code == 0, done.stderr
    assert "no detection was compared" in done.stdout
    assert "give an --image with objects" in done.stdout
    verified = json.loads((tmp_path / "blind" / "profile" / "provenance.json").read_text())
    assert verified["verified"]["detections"] == 0


@pytest.mark.parametrize("name", ["reversed", "stale_types", "scatter"])
def test_graphs_as_tools_leave_them(onnx_models: Path, run: Run, tmp_path: Path, name: str) -> None:
    compiled(run, onnx_models / f"{name}.onnx", tmp_path / name, *CLASSES)
    known = reference(onnx_models, name)
    outputs = run_in_child(tmp_path / name, "image", known["input"]).outputs
    assert np.abs(outputs[0] - known["logits"]).max() < 1e-2


def test_uint8_model_with_channels_last(onnx_models: Path, run: Run, tmp_path: Path) -> None:
    compiled(run, onnx_models / "pixels_last.onnx", tmp_path / "uint8", *CLASSES)
    profile = json.loads((tmp_path / "uint8" / "profile" / "profile.json").read_text())
    assert (profile["input"]["layout"], profile["input"]["dtype"]) == ("NHWC", "uint8")
    assert (profile["input"]["scale"], profile["input"]["mean"]) == (1.0, [0.0])
    known = reference(onnx_models, "pixels_last")
    outputs = run_in_child(tmp_path / "uint8", "image", known["input"]).outputs
    assert np.abs(outputs[0] - known["logits"]).max() < 1e-3


def test_softmax_turns_logits_into_probabilities(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    compiled(run, onnx_models / "classifier.onnx", tmp_path / "soft", "--softmax")
    profile = json.loads((tmp_path / "soft" / "profile" / "profile.json").read_text())
    assert profile["output"] == {"kind": "classification", "activation": "probabilities"}
    known = reference(onnx_models, "probabilities")
    outputs = run_in_child(tmp_path / "soft", "image", known["input"]).outputs
    assert np.abs(outputs[0] - known["probabilities"]).max() < 1e-3


def test_only_the_graph_is_json_at_the_top_of_an_artifact(detector: Path) -> None:
    assert sorted(path.name for path in detector.iterdir()) == [
        "SHA256SUMS", "compiled.meta", "compiled.params", "compiled.so", "compiled_model.json",
        "profile",
    ]  # fmt: skip
    assert check_artifact(detector).has_digests
    folder = detector / "profile"
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS", "labels.txt", "profile.json", "provenance.json",
    ]  # fmt: skip
    assert check_digests(folder, digests_of(folder))
    assert (folder / "labels.txt").read_text().split() == ["a", "b", "c", "d", "e"]
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["source"]["file"] == "detector.onnx"
    assert provenance["verified"]["largestDifference"] <= 1e-3
    assert provenance["verified"]["ranOn"] == "x86-64"


def test_artifact_predicts_photographs_with_its_own_profile(
    detector: Path, photographs: Path
) -> None:
    command = [sys.executable, "-m", "mli", "infer", "--model", str(detector)]
    command += ["--profile", str(detector / "profile" / "profile.json")]
    done = subprocess.run(
        [*command, "--images", str(photographs)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert {p["prediction"] for p in json.loads(done.stdout.splitlines()[0])} <= set("abcde")


def test_archive_is_the_same_each_time_and_replaces_itself(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "model.tar.gz"
    result = compiled(run, onnx_models / "classifier.onnx", target, *CLASSES)
    assert result["profile"] == str(tmp_path / "model-profile" / "profile.json")
    first = target.read_bytes()
    compiled(run, onnx_models / "classifier.onnx", target, *CLASSES)
    assert target.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model-profile", "model.tar.gz"]


def test_image_is_predicted_and_named_in_the_provenance(
    onnx_models: Path, run: Run, tmp_path: Path, photographs: Path
) -> None:
    result = compiled(
        run,
        onnx_models / "classifier.onnx",
        tmp_path / "m",
        *CLASSES,
        "--image",
        photographs / "coffee.jpg",
    )
    assert result["verified"]["image"] == "coffee.jpg"
    assert result["predictions"][0].keys() == {"prediction", "confidence", "box"}


def test_one_score_alone_is_a_binary_classifier(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("no\nyes\n")
    compiled(run, onnx_models / "binary.onnx", tmp_path / "binary", "--labels", labels)
    profile = load_profile(tmp_path / "binary" / "profile" / "profile.json")
    assert profile.output.activation == "probabilities"
    known = reference(onnx_models, "binary")
    outputs = run_in_child(tmp_path / "binary", "image", known["input"]).outputs
    assert outputs[0].shape == (1, 1)
    assert np.abs(outputs[0] - known["probability"]).max() < 1e-3
    best = Postprocessor(profile).decode(outputs)
    assert sorted(best.class_ids.tolist()) == [0, 1]


def test_a_detector_without_an_axis_for_the_image(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    """Its boxes are fractions, as a given profile says too: those of the artifact are pixels."""
    model, given = onnx_models / "of_one_image.onnx", tmp_path / "given.json"
    spec = {"name": "image", "shape": [1, 3, SIDE, SIDE], "layout": "NCHW", "dtype": "float32"}
    values = {
        "name": "given", "input": {**spec, "colorOrder": "RGB", "resize": "stretch"},
        "output": {"kind": "gluoncv-ssd", "units": "fractions"}, "labels": None,
        "confidenceThreshold": 0.3, "topK": 10,
    }  # fmt: skip
    given.write_text(json.dumps(values))
    options = ["--scores", "scores_of_one", "--boxes", "boxes_of_one", "--background"]
    compiled(run, model, tmp_path / "one", *options, "--profile", given)
    written = json.loads((tmp_path / "one" / "profile" / "profile.json").read_text())
    assert written["output"] == {"kind": "gluoncv-ssd"}
    same = reference(onnx_models, "detector")
    scores, boxes = same["scores"][0][:, 1:], same["boxes"][0] * SIDE
    check_detections(tmp_path / "one", same["input"], scores, boxes)


def test_cross_compiling_for_arm_names_the_way_that_works_there(
    onnx_models: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_tvm(job: Any, output: Any) -> Any:
        raise MliError("this far")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(environment, "work", no_tvm)
    done = run(
        "compile", "--with", "tvm", onnx_models / "probabilities.onnx", "--target", "aarch64",
        "--output", tmp_path / "arm",
    )  # fmt: skip
    assert "this far" in done.stderr
    assert "a core needs the libdlr.so of an archive that SageMaker Neo compiled" in done.stderr
    assert "mli compile --with onnxruntime makes an artifact that runs on ARM" in done.stderr


def test_cross_compiling_without_a_linker_names_its_package(
    onnx_models: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name: None if name.startswith("aarch64") else found(name)
    )
    done = run(
        "compile", "--with", "tvm", onnx_models / "classifier.onnx", "--target", "aarch64",
        "--output", tmp_path / "arm",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "apt-get install g++-aarch64-linux-gnu" in done.stderr


@pytest.mark.skipif(
    shutil.which("aarch64-linux-gnu-g++") is None, reason="needs g++-aarch64-linux-gnu"
)
def test_cross_compiled_artifact_says_that_only_its_graph_was_verified(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "arm"
    result = compiled(run, onnx_models / "classifier.onnx", target, "--target", "aarch64", *CLASSES)
    assert result["verified"]["ranOn"] == "x86-64"
    assert "libdlr.so" in result["note"]
    machine = int.from_bytes((target / "compiled.so").read_bytes()[18:20], "little")
    assert machine == 183
    done = run("profile", target)
    assert done.exit_code == 0
    assert "not run: it is compiled for aarch64" in done.stderr
