"""Detectors that ``compile --with onnxruntime`` describes for the core, and verifies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.model.profiles.profile import load_profile

from ...inference.tiny_onnx import model_of, save, tensor
from ..profile.test_metadata import properties
from .conftest import Run
from .known_models import RED, always, constant, made, plain, refused, seen

SCORES = [[0.05, 0.9, 0.05], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]


CORNERS = [[0.25, 0.25, 0.75, 0.75], [0.0, 0.0, 0.2, 0.2], [0.5, 0.0, 1.0, 0.4]]


@pytest.mark.parametrize("batch", ["both", "scores", "neither"])
@pytest.mark.parametrize("classes_first", [False, True])
def test_scores_and_boxes_without_an_axis_for_the_image(
    run: Run, tmp_path: Path, labels: Path, batch: str, classes_first: bool
) -> None:
    """As in torchvision's SSDLite, cut before its suppression: boxes [A,4]."""
    scores = np.array([*SCORES, [0, 0, 0]], np.float32)
    corners = np.array([*CORNERS, [0, 0, 1, 1]], np.float32)
    scores = scores.T if classes_first else scores
    model = always(
        {
            "boxes": corners if batch != "both" else corners[None],
            "scores": scores if batch == "neither" else scores[None],
        }
    )
    made(run, model, tmp_path / "out", "--labels", labels)
    found = seen(tmp_path / "out", plain(RED))
    assert [one.label for one in found] == ["green", "red", "blue"]
    assert found[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_the_unit_of_a_given_profile_is_that_of_the_original(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    """Boxes come out of the artifact in pixels, whatever they are in the model."""
    model = always({"scores": [SCORES], "boxes": [CORNERS]})
    made(run, model, tmp_path / "one", "--labels", labels)
    given = tmp_path / "one" / "profile" / "profile.json"
    values = json.loads(given.read_text())
    values["output"] = {"kind": "gluoncv-ssd", "units": "fractions"}
    given.write_text(json.dumps(values))
    made(run, model, tmp_path / "two", "--profile", given)
    found = seen(tmp_path / "two", plain(RED))
    assert found[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_lists_with_gluoncv_s_profile_stay_as_they_are(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    lists = {
        "ids": [[[1.0], [-1.0]]],
        "scores": [[[0.9], [-1.0]]],
        "boxes": [[[8.0, 8, 24, 24], [-1, -1, -1, -1]]],
    }
    made(run, always(lists), tmp_path / "one", "--preset", "gluoncv-ssd", "--labels", labels)
    given = tmp_path / "one" / "profile" / "profile.json"
    values = {**json.loads(given.read_text()), "output": {"kind": "gluoncv-ssd"}}
    given.write_text(json.dumps(values))
    made(run, always(lists), tmp_path / "two", "--profile", given)
    both = ("--profile", given, "--box-order", "yxyx")
    line = refused(run, always(lists), tmp_path / "three", *both)
    assert "--box-order contradicts --profile, which describes the outputs" in line
    for folder in ("one", "two"):
        (found,) = seen(tmp_path / folder, plain(RED))
        assert found.label == "green"
        assert found.box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_a_file_of_ultralytics_needs_no_options(run: Run, tmp_path: Path) -> None:
    rows = np.zeros((1, 7, 126), np.float32)
    rows[0, :, 5] = [16, 16, 16, 16, 0.1, 0.2, 0.9]
    model = always({"output0": rows})
    for dimension, name in zip(
        model.graph.input[0].type.tensor_type.shape.dim, "NCHW", strict=True
    ):
        if name in "NHW":
            dimension.Clear()
            dimension.dim_param = name
    for key, value in properties(imgsz=[32, 32]).items():
        model.metadata_props.add(key=key, value=value)
    result = made(run, model, tmp_path / "out")
    assert result["verified"]["detections"] == 1
    profile = load_profile(tmp_path / "out" / "profile" / "profile.json")
    assert profile.labels == ("ant", "bee", "fire ant")
    assert (profile.output.preset, profile.input.resize) == ("yolo11", "letterbox")
    assert (profile.input.shape, profile.confidence_threshold) == ((1, 3, 32, 32), 0.25)
    (found,) = seen(tmp_path / "out", np.full((32, 32, 3), 99, np.uint8))
    assert found.label == "fire ant"
    assert found.box == pytest.approx((0.25, 0.25, 0.75, 0.75))
    kept = {one.key for one in onnx.load(tmp_path / "out" / "model.onnx").metadata_props}
    assert {"names", "task"} <= kept


def test_a_verification_without_detections_is_none(run: Run, tmp_path: Path, labels: Path) -> None:
    model = save(always({"o": np.zeros((1, 7, 126), np.float32)}), tmp_path / "model.onnx")
    done = run(
        "compile", "--with", "onnxruntime", model, "--preset", "yolo11", "--labels", labels,
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "not verified: no detection was compared" in done.stdout
    assert "give an --image with objects" in done.stdout


def test_an_image_with_detections_is_looked_for(run: Run, tmp_path: Path, labels: Path) -> None:
    """Only one of the sample photographs is dark enough for this model to see something."""
    photographs = sorted(Path("edge_functions/dlr_inference/sample_images").glob("*.jpg"))
    means = {path.name: float(cv2.imread(str(path)).mean()) / 255 for path in photographs}
    order = sorted(means, key=lambda name: means[name])
    limit = (means[order[0]] + means[order[1]]) / 2
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Less", ["mean", "limit"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["one"], to=1),
        helper.make_node("Mul", ["one", "known"], ["o"]),
    ]
    rows = np.zeros((1, 7, 126), np.float32)
    rows[0, :, 5] = [16, 16, 16, 16, 0.1, 0.2, 0.9]
    model = model_of(
        nodes, inputs=[tensor("images", (1, 3, 32, 32))], outputs=[tensor("o", rows.shape)],
        weights=[constant("limit", limit), numpy_helper.from_array(rows, "known")],
    )  # fmt: skip
    options = ["--preset", "yolo11", "--labels", labels, "--resize", "stretch"]
    result = made(run, model, tmp_path / "out", *options)
    assert result["verified"]["image"] == order[0]
    assert result["verified"]["detections"] == 1


def scaled_to_a_second_input(model: Any, sides: tuple[int, int]) -> None:
    """Scale ``corners`` to boxes in pixels of the original image, as RT-DETR and D-FINE do."""
    for axis, side in zip((2, 3), sides, strict=True):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    model.graph.input.append(tensor("orig_target_sizes", (1, 2), TensorProto.INT64))
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=1),
            helper.make_node("Tile", ["size", "twice"], ["sides"]),
            helper.make_node("Mul", ["corners", "sides"], ["boxes"]),
        ]
    )
    model.graph.initializer.append(constant("twice", [1, 2], np.int64))
    del model.graph.output[:]


@pytest.mark.parametrize("sides", [(32, 32), (320, 640)])
def test_a_second_input_with_the_size_becomes_a_constant(
    run: Run, tmp_path: Path, sides: tuple[int, int]
) -> None:
    model = always({"logits_": [SCORES], "corners": [CORNERS]})
    scaled_to_a_second_input(model, sides)
    model.graph.node.append(helper.make_node("Identity", ["logits_"], ["scores"]))
    model.graph.output.extend([tensor("boxes", (1, 3, 4)), tensor("scores", (1, 3, 3))])
    made(run, model, tmp_path / "out", "--box-units", "pixels")
    assert seen(tmp_path / "out", plain(RED))[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_lists_of_labels_boxes_and_scores_of_rt_detr_s_own_export(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    """https://github.com/lyuwenyu/RT-DETR, whose postprocessor returns them in this order."""
    model = always({"classes": [[1, 0, 2]], "corners": [CORNERS], "found": [[0.9, 0.8, 0.3]]})
    scaled_to_a_second_input(model, (320, 640))
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["classes"], ["labels"], to=TensorProto.INT64),
            helper.make_node("Identity", ["found"], ["scores"]),
        ]
    )
    model.graph.output.extend(
        [
            tensor("labels", (1, 3), TensorProto.INT64),
            tensor("boxes", (1, 3, 4)),
            tensor("scores", (1, 3)),
        ]
    )
    made(run, model, tmp_path / "out", "--preset", "rtdetr-deploy", "--labels", labels)
    found = seen(tmp_path / "out", plain(RED))
    assert [(one.label, round(one.score, 3)) for one in found] == [("green", 0.9), ("red", 0.8)]
    assert found[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))
    assert found[1].box == pytest.approx((0.0, 0.0, 0.2, 0.2))
