"""What Ultralytics writes into an ``.onnx``, and which profile follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from inference.model.profiles.outputs import parse_output
from mli.errors import MliError
from mli.profile.metadata import ExportMetadata, metadata_of

NAMES = {0: "ant", 1: "bee", 2: "fire ant"}


def properties(task: str = "detect", model: str = "YOLO11n", **more: Any) -> dict[str, str]:
    """The properties of an export, as its exporter writes them: texts of Python values."""
    values = {
        "description": f"Ultralytics {model} model trained on ants.yaml",
        "author": "Ultralytics",
        "task": task,
        "stride": 32,
        "imgsz": [96, 64],
        "names": NAMES,
        **more,
    }
    return {key: str(value) for key, value in values.items()}


def read(**changes: Any) -> ExportMetadata:
    metadata = metadata_of(properties(**changes))
    assert metadata is not None
    return metadata


def test_labels_and_size_are_read() -> None:
    metadata = read()
    assert metadata.labels == ("ant", "bee", "fire ant")
    assert metadata.size == (96, 64)
    assert read(imgsz=64).size == (64, 64)


@pytest.mark.parametrize(
    ("changes", "shapes", "wanted"),
    [
        ({}, [(1, 7, 126)], {"preset": "yolo11"}),
        ({"model": "YOLO26s"}, [(1, 7, 126)], {"preset": "yolo26"}),
        ({"model": "YOLOv5nu"}, [(1, 7, 126)], {"preset": "yolov8"}),
        ({"model": "best"}, [(1, 7, 126)], {"preset": "yolov8"}),
        ({"model": "YOLOv10n"}, [(1, 300, 6)], {"preset": "yolo-end2end"}),
        ({"names": {0: "a", 1: "b"}}, [(1, 6, 126)], {"preset": "yolo11"}),
        ({"names": {0: "a", 1: "b"}}, [(1, 300, 6)], {"preset": "yolo-end2end"}),
        ({"model": "rtdetr-l"}, [(1, 300, 6)], {"preset": "rtdetr-ultralytics"}),
        ({"task": "segment"}, [(1, 39, 126), (1, 32, 24, 16)], {"preset": "yolo-seg"}),
        ({"task": "segment"}, [(1, 300, 38), (1, 32, 24, 16)], {"preset": "yolo-seg-end2end"}),
        ({"task": "obb"}, [(1, 8, 126)], {"preset": "yolo-obb"}),
        (
            {"task": "pose", "kpt_shape": [5, 2]}, [(1, 17, 126)],
            {"preset": "yolo-pose", "keypoints": [5, 2]},
        ),
        (
            {"task": "pose", "kpt_shape": [5, 2]}, [(1, 300, 16)],
            {"preset": "yolo-pose-end2end", "keypoints": [5, 2]},
        ),
        (
            {"task": "semantic"}, [(1, 96, 64)],
            {"kind": "segmentation", "activation": "logits"},
        ),
        ({"task": "classify"}, [(1, 3)], {"kind": "classification", "activation": "probabilities"}),
    ],
)  # fmt: skip
def test_the_number_of_classes_tells_the_form_of_the_outputs(
    changes: dict[str, Any], shapes: list[tuple[int, ...]], wanted: dict[str, Any]
) -> None:
    output = read(**changes).output_fields(shapes)
    assert output == wanted
    assert parse_output(output)[1] == []


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({"model": "rtdetr-l"}, (1, 300, 7)),
        ({"task": "obb"}, (1, 300, 7)),
    ],
)
def test_forms_without_a_preset_are_valid_too(changes: dict[str, Any], shape: Any) -> None:
    output = read(**changes).output_fields([shape])
    assert parse_output(output)[1] == []


def test_outputs_that_contradict_the_description_are_refused() -> None:
    with pytest.raises(MliError, match=r"should be \[1,7,N\] or \[1,N,6\]; it has \[1, 84, 126\]"):
        read().output_fields([(1, 84, 126)])


def test_a_map_of_one_class_names_the_background_too() -> None:
    assert read(task="semantic", names={0: "road"}).labels == ("background", "road")
    assert read(task="semantic").labels == ("ant", "bee", "fire ant")


def test_a_task_that_no_profile_describes_is_named() -> None:
    with pytest.raises(
        MliError, match=r"says task depth, which no profile describes: those of det"
    ):
        read(task="depth").output_fields([(1, 1, 96, 64)])


def test_how_an_image_is_fitted_follows_from_the_task() -> None:
    assert read().input_fields()["resize"] == "letterbox"
    assert read(model="rtdetr-x").input_fields()["resize"] == "stretch"
    assert read(task="classify").input_fields()["resize"] == "center-crop"
    assert read(task="semantic").input_fields()["resize"] == "letterbox"
    assert read(task="semantic").general_fields()["confidenceThreshold"] == 0.01


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"task": "detect"},
        {"task": "detect", "names": "{0: 'a', 2: 'b'}"},
        {"task": "detect", "names": "{0: ''}"},
        {"task": "detect", "names": "__import__('os')"},
        {"task": "detect", "names": "[" * 100_000},
        {"task": "detect", "names": "7"},
        {"task": "dance", "names": "{0: 'a'}"},
    ],
)
def test_properties_of_other_exporters_say_nothing(values: dict[str, str]) -> None:
    assert metadata_of(values) is None
