"""``profile``: what it proposes for ONNX models of families, and what ``infer`` makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import cv2
import numpy as np
import pytest

from inference.model.profiles.profile import PROFILES_FOLDER, load_profile
from mli.cli.main import main
from mli.profile.command import SAMPLE
from models import store
from tests.inference.decoders.exports.objects import Returned
from tests.mli.local.test_infer import infer, payloads

from .models import BOXES, family, saved, ultralytics

pytestmark = pytest.mark.usefixtures("forked")

LABELS = "ant\nbee\ncat\ndog\nelk\n"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture with the shape of the models' input, so that no resize rule moves a box."""
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.full((128, 192, 3), 99, np.uint8))
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text(LABELS)
    return path


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["profile", *map(str, arguments)])


def refused(*arguments: object) -> str:
    """Return the one line with which the command ends."""
    done = run(*arguments)
    assert done.exit_code == 1, done.output
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


def assert_infer_finds_the_things(model: Path, profile: Path, picture: Path) -> None:
    done = infer("--model", model, "--profile", profile, "--images", picture)
    assert done.returncode == 0, done.stderr
    [found] = payloads(done)
    assert [one["prediction"] for one in found] == ["ant", "dog"]
    np.testing.assert_allclose([one["box"] for one in found], BOXES, atol=0.02)


@pytest.mark.parametrize(
    ("preset", "looks_like"),
    [
        ("yolov8", "yolov8 (the same as yolov9, yolov10, yolo11, yolo12, yolo26) with 5 classes"),
        ("yolov5", "yolov5 (the same as yolov7) with 5 classes"),
        ("detr", "detr (the same as yolos) with 5 classes"),
        ("rtdetr", "rtdetr (the same as dfine) with 5 classes"),
        ("rtdetr-deploy", "rtdetr-deploy"),
        ("yolo-nas", "yolo-nas"),
        ("tf-detection", "tf-detection"),
        ("yolo-seg", "yolo-seg with 5 classes"),
        ("picodet", "picodet with 5 classes"),
        ("nanodet", "nanodet with 5 classes"),
        ("centerface", "centerface with 5 classes"),
        ("scrfd", "scrfd with 5 classes"),
        ("yunet", "yunet with 5 classes"),
        ("retinaface", "retinaface with 5 classes"),
        ("ultraface", "ultraface with 5 classes"),
    ],
)
def test_outputs_with_one_meaning_give_a_profile_that_infer_uses(
    tmp_path: Path, picture: Path, labels: Path, preset: str, looks_like: str
) -> None:
    model, written = family(preset, tmp_path / "m.onnx"), tmp_path / "m.json"
    done = run(model, "--labels", labels, "--image", picture, "--write", written)
    assert done.exit_code == 0, done.stderr
    assert f"looks like {looks_like}" in done.stderr.splitlines()
    assert "picture.png: ant 0.900 [0.10, 0.16, 0.42, 0.6" in done.stderr
    assert_infer_finds_the_things(model, written, picture)


def _of_the_demo_detector(tmp_path: Path) -> Path:
    """Return a model with input and outputs of the demo detector, which finds a cup."""
    scores, boxes = np.zeros((1, 1917, 80), np.float32), np.zeros((1, 1917, 4), np.float32)
    scores[0, 7, 41], boxes[0, 7] = 0.9, (30, 60, 90, 120)
    return saved(Returned([scores, boxes], ("scores", "boxes")), tmp_path / "m.onnx", side=300)


def test_outputs_of_a_built_in_profile_name_it_before_any_family(
    tmp_path: Path, picture: Path
) -> None:
    done = run(_of_the_demo_detector(tmp_path), "--image", picture)
    assert done.exit_code == 0, done.stderr
    named = "its input and outputs are those of the built-in profile ssdlite-mobilenet-v2-coco-onnx"
    assert named in done.stderr.splitlines()
    assert "looks like" not in done.stderr
    assert "picture.png: cup 0.900 [0.10, 0.20, 0.30, 0.40]" in done.stderr
    proposed = json.loads(done.stdout)
    assert (proposed["name"], proposed["output"]["units"]) == ("m", "pixels")


def test_labels_of_another_number_are_not_those_of_the_built_in_profile(
    tmp_path: Path, picture: Path
) -> None:
    labels = tmp_path / "faces.txt"
    labels.write_text("".join(f"face {number}\n" for number in range(79)))
    done = run(_of_the_demo_detector(tmp_path), "--image", picture, "--labels", labels)
    assert "looks like ultraface with 79 classes" in done.stderr


@pytest.mark.parametrize(
    ("preset", "choices"),
    [
        ("yolo-end2end", "yolo-end2end, rtdetr-ultralytics: say"),
        ("torchvision-ssd", "yolo-nas, rtdetr-deploy, torchvision-ssd, torchvision-retinanet, "),
        ("yolox", "yolov6, yolox, yolox-decoded"),
    ],
)
def test_outputs_with_several_meanings_are_listed_and_preset_chooses(
    tmp_path: Path, picture: Path, labels: Path, preset: str, choices: str
) -> None:
    model, written = family(preset, tmp_path / "m.onnx"), tmp_path / "m.json"
    given = (model, "--labels", labels, "--image", picture, "--write", written)
    line = refused(*given)
    assert f"its outputs may be those of {choices}" in line
    assert "--preset NAME" in line
    assert not written.exists()
    done = run(*given, "--preset", preset)
    assert done.exit_code == 0, done.stderr
    assert json.loads(written.read_text())["output"] == {"preset": preset}
    assert_infer_finds_the_things(model, written, picture)


def test_each_choice_is_tried_on_the_photograph(
    tmp_path: Path, picture: Path, labels: Path
) -> None:
    model = family("yolo-end2end", tmp_path / "m.onnx")
    done = run(model, "--labels", labels, "--image", picture)
    lines = {line.split()[0].rstrip(":"): line for line in done.stderr.splitlines()}
    assert "ant 0.900 [0.10, 0.16, 0.42, 0.62], dog 0.800" in lines["yolo-end2end"]
    assert (
        'far outside the image in fractions; if they are pixels, set "units": "pixels"'
        in (lines["rtdetr-ultralytics"])
    )
    assert "cannot be: class 0 is among the results" in lines["efficientdet"]
    assert "cannot be: the scores go up to" in lines["ppyoloe"]


def test_without_labels_every_number_of_classes_is_a_meaning(tmp_path: Path) -> None:
    line = refused(family("yolov8", tmp_path / "m.onnx"))
    assert "yolov8, yolo-obb" in line
    assert "--labels FILE leaves those with as many classes" in line


def test_a_file_of_ultralytics_needs_nothing_else(tmp_path: Path, picture: Path) -> None:
    model = family("yolov8", tmp_path / "m.onnx", properties=ultralytics(), open_axes=(0, 2, 3))
    written = tmp_path / "m.json"
    done = run(model, "--write", written)
    assert done.exit_code == 0, done.stderr
    assert "the file says: yolo11n, task detect, 5 classes" in done.stderr
    profile = load_profile(written)
    assert profile.input.shape == (1, 3, 64, 96)
    assert (profile.input.resize, profile.output.preset) == ("letterbox", "yolo11")
    assert profile.labels == ("ant", "bee", "cat", "dog", "elk")
    assert_infer_finds_the_things(model, written, picture)


def test_ultralytics_end_to_end_is_not_one_of_seven_meanings(tmp_path: Path, picture: Path) -> None:
    said = ultralytics(end2end=True, description="Ultralytics YOLO26n model trained on x.yaml")
    model = family("yolo-end2end", tmp_path / "m.onnx", properties=said)
    written = tmp_path / "m.json"
    assert run(model, "--write", written).exit_code == 0
    assert json.loads(written.read_text())["output"] == {"preset": "yolo-end2end"}
    assert_infer_finds_the_things(model, written, picture)


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([0.1, 0.7, 0.2], {"activation": "probabilities"}),
        ([-3.0, 4.0, 1.0], {"activation": "logits"}),
        ([0.8, 0.7, 0.2], {"activation": "probabilities", "multiLabel": True}),
        ([0.1, 0.7, 0.05, 0.05, 0.05, 0.05], {"activation": "probabilities"}),
    ],
)
def test_a_classifier_is_told_by_its_scores(
    tmp_path: Path, picture: Path, scores: list[float], wanted: dict[str, Any]
) -> None:
    """Also one of six classes: it declares one row, so that is not a list of detections."""
    returned = Returned([np.array([scores], np.float32)], ("scores",))
    model, written = saved(returned, tmp_path / "m.onnx"), tmp_path / "m.json"
    assert run(model, "--write", written).exit_code == 0
    output = json.loads(written.read_text())["output"]
    assert output == {"kind": "classification", **wanted}
    done = infer("--model", model, "--profile", written, "--images", picture)
    assert payloads(done)[0][0]["prediction"] == str(int(np.argmax(scores)))


def test_an_open_input_needs_its_size(tmp_path: Path, labels: Path) -> None:
    model = family("yolov8", tmp_path / "m.onnx", open_axes=(0, 2, 3))
    assert "leaves its size open; give it with --input-shape 1,3,640,640" in refused(model)
    line = refused(model, "--input-shape", "1,1,64,96")
    assert "does not take --input-shape 1,1,64,96; 1,3,640,640 would do" in line
    done = run(model, "--input-shape", "1,3,64,96", "--labels", labels)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["input"]["shape"] == [1, 3, 64, 96]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            (),
            "has 4 lines, but the outputs output0 [1, 9, 126] have these numbers of classes: 5 as",
        ),
        (("--preset", "yolov8"), "has 4 lines, but the model has 5 classes"),
    ],
)
def test_labels_that_are_not_as_many_as_classes(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("ant\nbee\ncow\ncod\n")
    line = refused(family("yolov8", tmp_path / "m.onnx"), "--labels", short, *options)
    assert reason in line


def test_labels_that_contradict_the_file_s_own(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("ant\n")
    model = family("yolov8", tmp_path / "m.onnx", properties=ultralytics())
    assert "has 1 lines, but the model has 5 classes" in refused(model, "--labels", short)


def test_a_class_beyond_the_labels_is_named(tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("ant\nbee\n")
    model = family("yolo-end2end", tmp_path / "m.onnx")
    line = refused(model, "--labels", short, "--preset", "yolo-end2end")
    assert "the model returned class 3, its labels have entries 0 to 1 only" in line


def test_a_preset_that_does_not_fit_names_those_that_do(tmp_path: Path, labels: Path) -> None:
    model = family("yolov8", tmp_path / "m.onnx")
    line = refused(model, "--labels", labels, "--preset", "yolov5")
    assert "preset yolov5 needs one output [1,A,10]" in line
    assert "the model returns output0 [1, 9, 126]; presets that read such outputs: " in line
    assert "yolo11" in line


def test_what_no_preset_reads_is_refused_in_one_line(tmp_path: Path) -> None:
    odd = Returned([np.zeros((1, 2, 3, 4, 5), np.float32)], ("odd",))
    line = refused(saved(odd, tmp_path / "m.onnx"))
    assert "no preset reads its outputs odd [1, 2, 3, 4, 5]: " in line
    assert "yolov8 needs one output [1,C+4,A]" in line
    assert "torchvision-classification needs one output [1,K]" in line


@pytest.mark.parametrize(
    ("factor", "score", "reason"),
    [
        (1.0, 0.2, "the highest score is 0.2, below the threshold 0.25"),
        (1 / 96, 0.9, "all boxes are smaller than a pixel in pixels; if they are fractions, set"),
    ],
)
def test_an_empty_result_has_its_reason(
    tmp_path: Path, picture: Path, labels: Path, factor: float, score: float, reason: str
) -> None:
    returned = _scaled(factor, score)
    model = saved(returned, tmp_path / "m.onnx")
    done = run(model, "--labels", labels, "--image", picture)
    assert done.exit_code == 0, done.stderr
    assert reason in done.stderr
    as_json = json.loads(run(model, "--labels", labels, "--image", picture, "--json").stdout)
    assert reason in as_json["note"]


def _scaled(factor: float, score: float) -> Returned:
    """A YOLO head with one object whose box is scaled, and background without a score."""
    head = np.zeros((1, 9, 126), np.float32)
    head[0, :4, 7] = np.array([25, 25, 30, 30]) * factor
    head[0, 4, 7] = score
    return Returned([head], ("output0",))


def test_rows_below_the_threshold_may_hold_anything(
    tmp_path: Path, picture: Path, labels: Path
) -> None:
    rows = np.full((1, 3, 6), np.nan, np.float32)
    rows[0, :, 4:] = [0.001, 77]
    rows[0, 0] = [10, 10, 40, 40, 0.9, 0]
    model = saved(Returned([rows], ("rows",)), tmp_path / "m.onnx")
    done = run(model, "--labels", labels, "--image", picture, "--preset", "yolo-end2end")
    assert done.exit_code == 0, done.stderr
    assert "picture.png: ant 0.900" in done.stderr


def test_boxes_of_another_order_are_not_proposed(tmp_path: Path, labels: Path) -> None:
    head = np.zeros((1, 126, 9), np.float32)
    head[0, 7] = [60, 40, 20, 10, 0.9, 0, 0, 0, 0]
    line = refused(saved(Returned([head], ("rows",)), tmp_path / "m.onnx"), "--labels", labels)
    assert "it is not of ppyoloe-raw: 1 of 1 boxes end before they begin" in line


def test_nothing_is_replaced(tmp_path: Path, picture: Path, labels: Path) -> None:
    model, written = family("yolov8", tmp_path / "m.onnx"), tmp_path / "m.json"
    given = (model, "--labels", labels, "--image", picture, "--write", written)
    assert run(*given).exit_code == 0
    assert json.loads(written.read_text())["labels"] == "labels.txt", "it is beside the profile"
    assert run(*given).exit_code == 0, "the same again is not a loss"
    written.write_text("{}")
    assert "exists with another content; remove it" in refused(*given)
    assert written.read_text() == "{}"


def test_labels_of_the_file_do_not_replace_others(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("mine\n")
    model = family("yolov8", tmp_path / "m.onnx", properties=ultralytics())
    assert "m.txt: exists with another content" in refused(model, "--write", tmp_path / "m.json")
    assert not (tmp_path / "m.json").exists()


def test_damaged_and_foreign_files_are_named_as_they_were_given(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"no model")
    line = refused(file)
    assert str(file) in line
    assert "it is truncated or not an ONNX model" in line


def test_a_compiled_detector_is_recognised_and_infer_uses_the_profile(tmp_path: Path) -> None:
    folder, written = store.unpacked("ssdlite-mobilenet-v2-coco"), tmp_path / "mine.json"
    done = run(folder, "--labels", PROFILES_FOLDER / "coco-80.txt", "--write", written)
    assert done.exit_code == 0, done.stderr
    assert "looks like gluoncv-ssd" in done.stderr
    ran = infer("--model", folder, "--profile", written, "--images", SAMPLE)
    assert ran.returncode == 0, ran.stderr
    [found] = payloads(ran)
    assert "cup" in {one["prediction"] for one in found}


def test_infer_without_a_profile_names_the_command(tmp_path: Path, picture: Path) -> None:
    model = family("yolov8", tmp_path / "m.onnx")
    done = infer("--model", model, "--images", picture)
    assert done.returncode == 1
    assert f"`mli profile {model} --write m.json` proposes one" in done.stderr


def test_an_artifact_s_own_profile_is_shown_and_tried(
    tmp_path: Path, picture: Path, labels: Path
) -> None:
    model = family("yolo-end2end", tmp_path / "m.onnx")
    folder = tmp_path / "artifact"
    folder.mkdir()
    model.rename(folder / "m.onnx")
    own = folder / "profile" / "profile.json"
    given = (folder, "--labels", labels, "--image", picture)
    assert run(*given, "--preset", "yolo-nms", "--write", own).exit_code == 0
    done = run(folder, "--image", picture, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["runtime"], found["machine"]) == ("onnxruntime", "any")
    assert found["profile"]["output"] == {"preset": "yolo-nms"}
    assert [one["prediction"] for one in found["predictions"]] == ["ant", "dog"]
