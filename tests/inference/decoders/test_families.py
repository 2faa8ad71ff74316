"""Each preset reads its family's outputs: the right boxes in the picture, for every resize rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.errors import ModelError
from inference.model.profiles.outputs import parse_output
from inference.model.profiles.presets import PRESETS
from inference.vision.geometry import Box, fit
from inference.vision.postprocess import Postprocessor

from ..conftest import MakeProfile
from .exports.finished import mask_rcnn, torchvision
from .exports.grids import yolov3_channels_last as channels_last
from .exports.objects import CLASSES, HEIGHT, LABELS, WIDTH, Returned, Thing
from .families import FAMILIES, POINTED

SOURCE = (240, 130)
RESIZE: dict[str, dict[str, Any]] = {
    "stretch": {"input__resize": "stretch"},
    "letterbox": {"input__resize": "letterbox"},
    "top-left": {"input__resize": "letterbox", "input__letterboxPosition": "top-left"},
    "center-crop": {"input__resize": "center-crop"},
}
WANTED: list[tuple[int, float, Box]] = [
    (3, 0.9, (0.30, 0.25, 0.50, 0.60)),
    (0, 0.75, (0.55, 0.30, 0.70, 0.55)),
    (3, 0.6, (0.35, 0.62, 0.60, 0.80)),
]
"""Class, score, and corners in fractions of the source."""
NAMES = LABELS.split()
POINTS = tuple((0.2 + index / 40, 0.3 + index / 50, 0.5 + index / 40) for index in range(17))


def things(profile: Any, *, points: int = 0) -> list[Thing]:
    fitted = fit(profile.input, *SOURCE)
    inner = [fitted.to_input((x, y, x, y))[:2] for x, y, _ in POINTS]
    located = tuple((x, y, score) for (x, y), (_, _, score) in zip(inner, POINTS))
    return [
        Thing(class_id, score, fitted.to_input(box), located[:points])
        for class_id, score, box in WANTED
    ]


def predicted(profile: Any, returned: Returned) -> list[Any]:
    postprocess = Postprocessor(profile, output_names=returned.names)
    return postprocess(returned.outputs, fit(profile.input, *SOURCE))


def profile_of(make_profile: MakeProfile, output: dict[str, Any], **changes: Any) -> Any:
    shape = [1, 3, HEIGHT, WIDTH]
    return make_profile(
        LABELS, input__shape=shape, output=output, confidenceThreshold=0.25, topK=20, **changes
    )


def assert_found(found: list[Any]) -> None:
    assert [(one.label, round(one.score, 3)) for one in found] == [
        (NAMES[class_id], score) for class_id, score, _ in WANTED
    ]
    for one, (_, _, box) in zip(found, WANTED):
        assert one.box == pytest.approx(box, abs=2e-3)


@pytest.mark.parametrize("resize", RESIZE)
@pytest.mark.parametrize("preset", FAMILIES)
def test_a_family_s_boxes_are_where_they_are_in_the_picture(
    make_profile: MakeProfile, preset: str, resize: str
) -> None:
    profile = profile_of(make_profile, {"preset": preset}, **RESIZE[resize])
    returned = FAMILIES[preset](things(profile, points=POINTED.get(preset, 0)))
    found = predicted(profile, returned)
    assert_found(found)
    assert all((one.keypoints is not None) == (preset in POINTED) for one in found)


@pytest.mark.parametrize("preset", FAMILIES)
def test_names_are_not_needed_where_the_shapes_say_it(
    make_profile: MakeProfile, preset: str
) -> None:
    """DLR knows no names of outputs. TensorFlow's classes and scores are alike without them."""
    profile = profile_of(make_profile, {"preset": preset})
    returned = Returned(FAMILIES[preset](things(profile, points=POINTED.get(preset, 0))).outputs)
    if preset == "tf-detection":
        with pytest.raises(ModelError, match="lists needs boxes"):
            predicted(profile, returned)
    else:
        assert_found(predicted(profile, returned))


@pytest.mark.parametrize("preset", FAMILIES)
def test_half_precision_is_read_as_well(make_profile: MakeProfile, preset: str) -> None:
    profile = profile_of(make_profile, {"preset": preset})
    returned = FAMILIES[preset](things(profile, points=POINTED.get(preset, 0)))
    halves = [
        one.astype(np.float16) if one.dtype == np.float32 else one for one in returned.outputs
    ]
    found = predicted(profile, Returned(halves, returned.names))
    assert [one.label for one in found] == [NAMES[class_id] for class_id, _, _ in WANTED]
    for one, (_, score, box) in zip(found, WANTED):
        assert one.score == pytest.approx(score, abs=5e-3)
        assert one.box == pytest.approx(box, abs=1e-2)


@pytest.mark.parametrize("preset", FAMILIES)
def test_a_picture_without_anything_gives_nothing(make_profile: MakeProfile, preset: str) -> None:
    profile = profile_of(make_profile, {"preset": preset})
    assert predicted(profile, FAMILIES[preset]([])) == []


def test_every_preset_is_valid_and_tried_here(make_profile: MakeProfile) -> None:
    for name in PRESETS:
        spec, faults = parse_output({"preset": name})
        assert spec is not None, faults
        assert spec.preset == name
    others = {"yolo-cls", "torchvision-classification", "torchvision-segmentation", "segformer"}
    assert PRESETS.keys() - FAMILIES.keys() == others


@pytest.mark.parametrize("preset", POINTED)
def test_keypoints_are_fractions_of_the_picture(make_profile: MakeProfile, preset: str) -> None:
    wanted = np.array(POINTS)[: POINTED[preset]]
    if not preset.startswith("yolo"):  # face detectors give their points no score
        wanted[:, 2] = 1
    for resize in RESIZE.values():
        profile = profile_of(make_profile, {"preset": preset}, **resize)
        returned = FAMILIES[preset](things(profile, points=POINTED[preset]))
        for one in predicted(profile, returned):
            assert np.array(one.keypoints) == pytest.approx(wanted, abs=2e-3)


def test_keypoints_without_a_score_count_fully(make_profile: MakeProfile) -> None:
    output = {"preset": "yolo-nms", "columns": ["box", "score", "class", "keypoints"]}
    profile = profile_of(make_profile, {**output, "keypoints": [2, 2]})
    rows = np.array([[[8, 8, 24, 24, 0.9, 1, 9, 16, 48, 32]]], np.float32)
    [one] = predicted(profile, Returned([rows]))
    assert np.array(one.keypoints) == pytest.approx(np.array([[9 / 96, 0.25, 1], [0.5, 0.5, 1]]))


def test_maps_with_the_channels_last_are_read_too(make_profile: MakeProfile) -> None:
    profile = profile_of(make_profile, {"preset": "yolov3"})
    assert_found(predicted(profile, channels_last(things(profile))))


def test_torchvision_s_lists_are_told_apart_in_any_order(make_profile: MakeProfile) -> None:
    profile = profile_of(make_profile, {"preset": "torchvision-faster-rcnn"})
    outputs = mask_rcnn(things(profile)).outputs
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        assert_found(predicted(profile, Returned([outputs[index] for index in order])))


def test_class_numbers_with_a_fraction_s_type_are_named_by_the_profile(
    make_profile: MakeProfile,
) -> None:
    boxes, scores, labels = torchvision(
        things(profile_of(make_profile, {"preset": "yolo11"}))
    ).outputs
    said = {"boxes": "b", "scores": "s", "labels": "l"}
    profile = profile_of(make_profile, {"preset": "torchvision-ssd", "outputs": said})
    outputs = [labels.astype(np.float32), boxes, scores]
    assert_found(predicted(profile, Returned(outputs, ("l", "b", "s"))))


def test_a_turned_box_becomes_the_upright_one_around_it(make_profile: MakeProfile) -> None:
    profile = profile_of(make_profile, {"preset": "yolo-obb"})
    head = np.zeros((1, 4 + CLASSES + 1, 126), np.float32)
    head[0, :4, 7], head[0, 5, 7], head[0, -1, 7] = [48, 32, 20, 10], 0.9, np.pi / 2
    [one] = Postprocessor(profile)([head], fit(profile.input, WIDTH, HEIGHT))
    assert one.box == pytest.approx((43 / 96, 22 / 64, 53 / 96, 42 / 64), abs=1e-4)


def test_one_class_of_yolov7_has_its_score_in_the_objectness(make_profile: MakeProfile) -> None:
    output = {"preset": "yolov7", "objectness": "only"}
    profile = make_profile("face\n", input__shape=[1, 3, 64, 96], output=output)
    head = np.zeros((1, 30, 6), np.float32)
    head[0, 4] = [48, 32, 20, 10, 0.8, 0.1]
    [one] = Postprocessor(profile)([head], fit(profile.input, WIDTH, HEIGHT))
    assert (one.label, round(one.score, 4)) == ("face", 0.8)
