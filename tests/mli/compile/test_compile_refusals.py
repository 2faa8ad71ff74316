"""What ``compile --with tvm`` refuses: one line each, and nothing under the final name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mli.compile import with_tvm as compile_tvm
from mli.profile.dlr_child import DlrRun, run_in_child

from .conftest import Run


def refused(run: Run, model: Path, target: Path, *options: object, status: int = 1) -> str:
    """Return the line with which a compilation is refused."""
    before = sorted(target.parent.iterdir())
    done = run("compile", "--with", "tvm", model, "--output", target, *options)
    assert done.exit_code == status, done.output
    assert done.stdout == ""
    assert sorted(target.parent.iterdir()) == before, "something was left behind"
    line = done.stderr.splitlines()[-1]
    assert line.startswith("mli compile: " if status == 1 else "Error: ")
    return line


def test_missing_model(run: Run, tmp_path: Path) -> None:
    assert "there is no such file" in refused(run, tmp_path / "none.onnx", tmp_path / "out")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_damaged_model(onnx_models: Path, run: Run, tmp_path: Path, damage: str) -> None:
    data = (onnx_models / "classifier.onnx").read_bytes()
    model = tmp_path / "model.onnx"
    model.write_bytes(
        {"truncated": data[: len(data) // 2], "text": b"no model", "empty": b""}[damage]
    )
    assert "model.onnx is not a valid ONNX model" in refused(run, model, tmp_path / "out")


def test_operator_that_tvm_lacks(onnx_models: Path, run: Run, tmp_path: Path) -> None:
    options = ["--kind", "classification"]
    line = refused(run, onnx_models / "unsupported.onnx", tmp_path / "out", *options)
    assert "not supported for frontend ONNX: Det" in line


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("feature_map", [], "not supported. Supported are: a classifier"),
        ("open_size", [], "fix its size with --input-shape"),
        ("classifier", ["--input-shape", "1,3,64,64"], "--input-shape cannot change"),
        ("classifier", ["--kind", "ssd"], "outputs are those of a classification model"),
        ("probabilities", ["--softmax"], "probabilities already"),
        ("classifier", ["--background"], "is for detectors only"),
        ("classifier", ["--box-units", "pixels"], "--box-units: is for detectors only"),
        ("classifier", ["--iou-threshold", "0.5"], "--iou-threshold: is for detectors only"),
        ("classifier", ["--score-threshold", "0"], "--score-threshold: is for detectors only"),
        ("raw_detector", [], "add --softmax; if they need a sigmoid, as RT-DETR's, name the"),
        ("centred", ["--background"], "choose another --box-order"),
        ("suppressed", ["--preset", "yolo11"], "itself (NonMaxSuppression), which TVM cannot"),
        ("classifier", [], "may be scores of classes or an embedding"),
        ("binary", ["--softmax"], "the model returns probabilities already"),
        ("detector", ["--preset", "yolo11", "--background"], "say it in a profile's output"),
        ("detector", ["--scores", "nowhere", "--boxes", "boxes"], "has no tensor nowhere"),
        ("classifier", ["--profile", "gluoncv-ssd-voc"], "says that the input's name is data"),
    ],
)
def test_model_that_is_not_what_the_options_say(
    onnx_models: Path, run: Run, tmp_path: Path, model: str, options: list[str], reason: str
) -> None:
    assert reason in refused(run, onnx_models / f"{model}.onnx", tmp_path / "out", *options)


def test_labels_that_are_too_few(onnx_models: Path, run: Run, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\nd\ne\n")
    model = onnx_models / "detector.onnx"
    line = refused(run, model, tmp_path / "out", "--labels", labels)
    assert "has 5 lines, the model 6 classes; is class 0 the background?" in line


def test_folder_that_is_no_artifact_is_not_replaced(
    onnx_models: Path, run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    assert "already exists" in refused(run, onnx_models / "classifier.onnx", target)
    assert (target / "thesis.txt").read_text() == "years of work"


def test_compiled_model_that_differs_leaves_no_artifact(
    onnx_models: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(folder: Path, name: str, tensor: Any) -> DlrRun:
        right = run_in_child(folder, name, tensor)
        return replace(right, outputs=[output + 0.5 for output in right.outputs])

    monkeypatch.setattr(compile_tvm, "run_in_child", wrong)
    options = ["--kind", "classification"]
    line = refused(run, onnx_models / "classifier.onnx", tmp_path / "out", *options)
    assert "differs from onnxruntime" in line


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--role", "arn"], "--role goes with --with neo only"),
        (["--preset", "yolo11", "--profile", "gluoncv-ssd-voc"], "--preset contradicts --profile"),
        (["--input-shape", "1,3,x,y"], "must be four numbers"),
        (["--mean", "1,2"], "must be one number, or three"),
        (["--profile", "gluoncv-ssd-voc", "--scale", "1"], "--scale contradicts --profile"),
    ],
)
def test_options_that_do_not_go_together(
    onnx_models: Path, run: Run, tmp_path: Path, options: list[str], reason: str
) -> None:
    model = onnx_models / "classifier.onnx"
    assert reason in refused(run, model, tmp_path / "out", *options, status=2)
