"""Outputs that do not fit, or whose values are hostile, end in one line, never in a wrong box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference.errors import InferenceError, ModelError, OutputError
from inference.vision.decoders import UnfitOutputsError, decoder_for
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor

from ..conftest import MakeProfile
from .exports.objects import CLASSES, HEIGHT, LABELS, WIDTH, Thing
from .families import FAMILIES

THINGS = [Thing(3, 0.9, (10, 10, 40, 40)), Thing(1, 0.7, (50, 20, 90, 60))]


def profile_of(
    make_profile: MakeProfile, output: dict[str, Any], labels: Any = "labels.txt"
) -> Any:
    shape = [1, 3, HEIGHT, WIDTH]
    return make_profile(
        LABELS, input__shape=shape, output=output, labels=labels, confidenceThreshold=0.25
    )


def decode(profile: Any, outputs: list[Any], names: tuple[str, ...] = ()) -> Any:
    return Postprocessor(profile, output_names=names).decode(outputs)


def zeros(*shapes: tuple[int, ...]) -> list[Any]:
    return [np.zeros(shape, np.float32) for shape in shapes]


def test_the_refusal_names_outputs_and_what_would_read_them(make_profile: MakeProfile) -> None:
    profile = profile_of(make_profile, {"preset": "yolo11"})
    with pytest.raises(ModelError) as caught:
        decode(profile, zeros((1, 300, 6)), ("output0",))
    assert str(caught.value).startswith(
        "profile test-model: output kind dense needs one output [1,9,A], 4 of the box + 5 classes, "
        "the model returned output0 [1, 300, 6]; presets that read such outputs: "
    )
    presets = str(caught.value).rpartition(": ")[2].split(", ")
    assert {"yolo-end2end", "yolo-nms", "rtdetr-ultralytics", "efficientdet"} <= set(presets)
    assert "yolov5" not in presets  # with five classes it has ten columns


MISMATCHES = [
    ("yolo11", [(1, 9)], r"needs one output \[1,9,A\]"),
    ("yolo11", [(1, 126, 9)], r"needs one output \[1,9,A\]"),
    ("yolo11", [(2, 9, 126)], r"returned \[2, 9, 126\]"),
    ("yolo11", [(1, 9, 126), (1, 9, 126)], "which is which is not clear: rows 0 or rows 1"),
    ("yolov5", [(1, 126, 9)], r"\[1,A,10\], 4 of the box \+ 1 objectness \+ 5 classes"),
    ("yolo-pose", [(1, 59, 126)], r"\[1,60,A\], 4 of the box \+ 5 classes \+ 51 of keypoints"),
    ("yolo-nms", [(1, 300, 7)], r"needs one output \[1,N,6\] of box, score, class"),
    ("yolo-nms", [(1, 9, 126)], r"needs one output \[1,N,6\]"),
    ("yolox", [(1, 125, 10)], r"\[1,126,10\], or an output for each stride: \[1,10,8,12\]"),
    ("yolov3", [(1, 30, 8, 12), (1, 30, 4, 6)], r"\[1,30,8,12\], \[1,30,4,6\], \[1,30,2,3\]"),
    (
        "scrfd",
        [(192, 5), (48, 5)],
        (
            r"scores \[1,n,5\], boxes \[1,n,4\], keypoints \[1,n,10\] for each "
            r"stride, n = 192, 48, 12, or of all, n = 252"
        ),
    ),
    ("centernet", [(1, 5, 16, 24), (1, 2, 16, 24)], r"sizes \[1,n,2\], offsets \[1,n,2\]"),
    (
        "torchvision-ssd",
        [(9, 4), (9,), (9,)],
        "labels .* that are whole numbers or named in output.outputs",
    ),
    ("gluoncv-ssd", [(1, 9, 4), (1, 9, 1), (1, 9, 1)], "kind lists needs boxes"),
    ("detr", [(1, 9, 6), (1, 8, 4)], r"needs boxes \[1,A,4\] and scores \[1,A,6\]"),
    ("torchvision-segmentation", [(1, 4, 8, 8)], r"\[1,5,h,w\] of scores or \[1,h,w\]"),
]


@pytest.mark.parametrize(("preset", "shapes", "message"), MISMATCHES)
def test_other_shapes_are_refused_in_one_line(
    make_profile: MakeProfile, preset: str, shapes: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        decode(profile_of(make_profile, {"preset": preset}), zeros(*shapes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("preset", "shapes", "reason"),
    [
        (
            "yolo11",
            [(1, 9, 126), (1, 9, 126)],
            "which is which is not clear: rows 0 or rows 1; say it in output.outputs",
        ),
        (
            "yolox",
            [(1, 126, 10), (1, 126, 10)],
            "which is which is not clear: rows 0 or rows 1; say it in output.outputs",
        ),
        ("yolo11", [(1, 126, 9)], ""),
    ],
)
def test_the_error_has_the_reason_apart_from_its_text(
    make_profile: MakeProfile, preset: str, shapes: list[tuple[int, ...]], reason: str
) -> None:
    decoder = decoder_for(profile_of(make_profile, {"preset": preset}), (), 0.25)
    with pytest.raises(UnfitOutputsError) as caught:
        decoder.bind(zeros(*shapes))
    assert caught.value.reason == reason
    assert str(caught.value).endswith(f" ({reason})" if reason else "[1, 126, 9]")


def test_four_classes_look_like_boxes_so_that_names_must_tell(make_profile: MakeProfile) -> None:
    output: dict[str, Any] = {"kind": "queries", "activation": "sigmoid"}
    profile = make_profile("a\nb\nc\nd\n", output=output)
    outputs = zeros((1, 9, 4), (1, 9, 4))
    with pytest.raises(ModelError, match=r"not clear: .*; say it in output.outputs; x, y are"):
        decode(profile, outputs, ("x", "y"))
    outputs[1][0, 0], outputs[0][0, 0] = [0.5, 0.5, 0.5, 0.5], [-9, -9, 3, -9]
    outputs[0][0, 1:] = -9
    for said, names in (
        ({"scores": "x", "boxes": "y"}, ("x", "y")),
        ({"scores": 0, "boxes": 1}, ()),
    ):
        profile = make_profile("a\nb\nc\nd\n", output={**output, "outputs": said})
        found = decode(profile, outputs, names)
        assert found.class_ids.tolist() == [2]
        assert found.boxes.tolist() == [[2, 2, 6, 6]]


def test_a_name_that_the_model_does_not_have_is_named(make_profile: MakeProfile) -> None:
    output = {"preset": "yolo11", "outputs": {"rows": "output9"}}
    with pytest.raises(ModelError, match=r"output\.outputs says rows output9, which it does not"):
        decode(profile_of(make_profile, output), zeros((1, 9, 126)), ("output0",))


@pytest.mark.parametrize(
    "preset", ["yolo11", "yolov5", "torchvision-retinanet-raw", "detr", "rtdetr"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_costs_the_frame(
    make_profile: MakeProfile, preset: str, value: float
) -> None:
    returned = FAMILIES[preset](THINGS)
    scores = max(returned.outputs, key=lambda one: one.shape[-1] * (one.shape[-1] != 4))
    view = scores[0] if preset != "yolo11" else scores[0].T
    view[5, -1 if preset != "detr" else 2] = value
    if preset == "yolov5":
        view[5, 4] = 0.9
    with pytest.raises((OutputError, ModelError), match=r"not finite|probabilities"):
        decode(profile_of(make_profile, {"preset": preset}), returned.outputs, returned.names)


@pytest.mark.parametrize("preset", [name for name in FAMILIES if name != "yolov9"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1.0])
def test_outputs_full_of_one_value_give_finite_boxes_or_one_line(
    make_profile: MakeProfile, preset: str, value: float
) -> None:
    returned = FAMILIES[preset](THINGS)
    outputs = [
        np.full_like(one, value) if one.dtype == np.float32 else one for one in returned.outputs
    ]
    postprocess = Postprocessor(
        profile_of(make_profile, {"preset": preset}), output_names=returned.names
    )
    with np.errstate(all="raise", under="ignore"):
        try:
            found = postprocess.decode(outputs)
        except InferenceError as error:
            assert "\n" not in str(error)
        else:
            assert len(found.scores) <= 300
            assert found.boxes is not None
            assert np.isfinite(found.boxes[found.scores >= 0.25]).all()


@pytest.mark.parametrize("preset", ["yolo11", "yolov5"])
def test_logits_that_pass_for_probabilities_are_refused(
    make_profile: MakeProfile, preset: str
) -> None:
    outputs = [(one - 0.5) * 12 for one in FAMILIES[preset](THINGS).outputs]
    with pytest.raises(ModelError, match=r"its scores go from -5.*activation to sigmoid"):
        decode(profile_of(make_profile, {"preset": preset}), outputs)


def test_classes_in_place_of_scores_are_refused(make_profile: MakeProfile) -> None:
    output = {"preset": "yolo-nms", "columns": ["box", "class", "score"]}
    with pytest.raises(ModelError, match="the scores go up to 3, but a score is at most 1"):
        decode(profile_of(make_profile, output), FAMILIES["yolo-nms"](THINGS).outputs)


@pytest.mark.parametrize("count", [-5.0, 0.0, 1.0, 2.0, 1e30, float("inf"), float("nan")])
def test_a_count_beyond_the_rows_counts_the_rows(make_profile: MakeProfile, count: float) -> None:
    returned = FAMILIES["tf-detection"](THINGS)
    outputs = dict(zip(returned.names, returned.outputs))
    outputs["num_detections"] = np.array([count], np.float32)
    profile = profile_of(make_profile, {"preset": "tf-detection"})
    if np.isnan(count):
        with pytest.raises(OutputError, match="number of detections is NaN"):
            decode(profile, list(outputs.values()), returned.names)
        return
    found = decode(profile, list(outputs.values()), returned.names)
    assert len(found.scores) == min(max(count, 0), 10)


def test_a_class_past_the_labels_costs_the_frame(make_profile: MakeProfile) -> None:
    returned = FAMILIES["torchvision-ssd"](THINGS)
    returned.outputs[2][0] = 2**40
    with pytest.raises(OutputError, match="its labels have entries 0 to 4 only"):
        decode(profile_of(make_profile, {"preset": "torchvision-ssd"}), returned.outputs)


def test_without_labels_classes_keep_the_model_s_own_numbers(make_profile: MakeProfile) -> None:
    profile = profile_of(make_profile, {"preset": "torchvision-ssd"}, labels=None)
    outputs = FAMILIES["torchvision-ssd"](THINGS).outputs
    found = Postprocessor(profile)(outputs, fit(profile.input, WIDTH, HEIGHT))
    assert [one.label for one in found] == ["4", "2"]


def test_quantised_heads_need_a_scale(make_profile: MakeProfile) -> None:
    [head] = FAMILIES["yolo-nms"](THINGS).outputs
    rows = np.round(head / 0.5).astype(np.uint8)
    with pytest.raises(ModelError, match=r"returns uint8 scores; set output\.scale"):
        decode(profile_of(make_profile, {"preset": "yolo-nms"}), [rows])
    profile = profile_of(make_profile, {"preset": "yolo-nms", "scale": 0.5})
    assert decode(profile, [rows]).boxes[0].tolist() == [10, 10, 40, 40]


def test_quantised_boxes_of_their_own_are_refused(make_profile: MakeProfile) -> None:
    returned = FAMILIES["damo-yolo"](THINGS)
    outputs = [returned.outputs[0], returned.outputs[1].astype(np.uint8)]
    with pytest.raises(ModelError, match="returns uint8 boxes, which are quantised"):
        decode(profile_of(make_profile, {"preset": "damo-yolo"}), outputs)


def test_too_many_candidates_are_bounded(make_profile: MakeProfile) -> None:
    head = np.full((1, 9, 100_000), 0.9, np.float32)
    head[0, :4] = np.random.default_rng(1).random((4, 100_000)) * 60
    found = decode(profile_of(make_profile, {"preset": "yolo11"}), [head])
    assert 1 <= len(found.scores) <= 300


def test_a_unit_that_cannot_be_is_a_fault(make_profile: MakeProfile) -> None:
    for preset, units, other in (
        ("yolo11", "fractions", "pixels"), ("rtdetr", "pixels", "fractions"),
        ("tf-detection", "pixels", "fractions"), ("yolo-nms", "fractions", "pixels"),
    ):  # fmt: skip
        profile = profile_of(make_profile, {"preset": preset, "units": units})
        returned = FAMILIES[preset](THINGS)
        postprocess = Postprocessor(profile, output_names=returned.names)
        for _ in range(3):
            postprocess.decode(returned.outputs)
        assert postprocess.fault is not None
        assert f"set output.units to {other}" in postprocess.fault


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), preset=st.sampled_from(sorted(FAMILIES)))
def test_whatever_a_model_returns_ends_in_predictions_or_one_line(
    make_profile: MakeProfile, data: st.DataObject, preset: str
) -> None:
    shapes = st.lists(
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=12), min_size=0, max_size=4
    )
    dtypes = st.sampled_from([np.float32, np.float16, np.float64, np.int64, np.uint8, np.int8])
    outputs = [data.draw(hnp.arrays(data.draw(dtypes), shape)) for shape in data.draw(shapes)]
    profile = profile_of(make_profile, {"preset": preset}, labels=data.draw(
        st.sampled_from([None, "labels.txt"])))  # fmt: skip
    try:
        found = Postprocessor(profile)(outputs, fit(profile.input, 50, 40))
    except InferenceError as error:
        assert "\n" not in str(error)
    else:
        assert all(one.box is None or 0 <= one.box[0] < one.box[2] <= 1 for one in found)


def test_a_head_of_the_same_size_both_ways_is_read_by_its_axis(make_profile: MakeProfile) -> None:
    head = np.zeros((1, 9, 9), np.float32)
    head[0, :, 2] = [48, 32, 20, 10, 0, 0, 0, 0.9, 0]
    found = decode(profile_of(make_profile, {"preset": "yolo11"}), [head])
    assert (found.class_ids.tolist(), CLASSES) == ([3], 5)
    other = profile_of(make_profile, {"preset": "yolo11", "anchorAxis": 1})
    [turned] = decode(other, [head.transpose(0, 2, 1).copy()]).boxes.tolist()
    assert turned == [38, 27, 58, 37]


@pytest.mark.parametrize("preset", ["picodet", "scrfd", "yunet", "retinaface", "centerface"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_part_of_a_grid_that_is_no_number_costs_the_frame(
    make_profile: MakeProfile, preset: str, value: float
) -> None:
    profile = profile_of(make_profile, {"preset": preset})
    count = len(FAMILIES[preset](THINGS).outputs)
    refused = 0
    for index in range(count):
        returned = FAMILIES[preset](THINGS)
        returned.outputs[index][...] = value
        try:
            found = decode(profile, returned.outputs, returned.names)
        except (OutputError, ModelError):
            refused += 1
        else:
            assert np.isfinite(found.boxes).all()
    assert refused >= 2, "the scores and boxes of the stride in which the things are"


def test_logits_are_no_factors_of_a_geometric_mean(make_profile: MakeProfile) -> None:
    returned = FAMILIES["yunet"](THINGS)
    returned.outputs[0] = returned.outputs[0] * 10 - 5
    with pytest.raises(
        ModelError, match=r"scores go from .* geometric needs 0 to 1: export it with its sigmoid"
    ):
        decode(profile_of(make_profile, {"preset": "yunet"}), returned.outputs, returned.names)


def test_an_object_of_a_heat_map_is_its_peak_only(make_profile: MakeProfile) -> None:
    returned = FAMILIES["centernet"](THINGS)
    found = decode(profile_of(make_profile, {"preset": "centernet"}), returned.outputs)
    assert found.class_ids.tolist() == [3, 1]  # the cells beside them have 0.9 of their scores
