"""Each output convention, on outputs made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.errors import ModelError, OutputError
from inference.vision.activations import softmax
from inference.vision.geometry import Fit, fit
from inference.vision.postprocess import Postprocessor, Prediction

from .conftest import MakeProfile

WHOLE = Fit((8, 8), (0, 0), (8, 8), (8, 8), (0, 0))


def ssd(*rows: tuple[float, ...], slots: int = 6) -> list[Any]:
    """GluonCV outputs with ``rows`` of id, score, xmin, ymin, xmax, ymax, padded with −1."""
    table = np.full((slots, 6), -1, np.float32)
    for index, row in enumerate(rows):
        table[index] = row
    return [table[None, :, :1], table[None, :, 1:2], table[None, :, 2:]]


def test_gluoncv_ssd_skips_padding_and_scales_boxes(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "gluoncv-ssd"})
    outputs = ssd((1, 0.9, 2, 4, 6, 8), (0, 0.5, 0, 0, 4, 4))
    assert Postprocessor(profile)(outputs, WHOLE) == [
        Prediction("one", float(np.float32(0.9)), (0.25, 0.5, 0.75, 1.0)),
        Prediction("zero", 0.5, (0.0, 0.0, 0.5, 0.5)),
    ]


def test_gluoncv_ssd_maps_boxes_back_through_a_letterbox(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "gluoncv-ssd"}, input__resize="letterbox")
    fitted = fit(profile.input, 80, 40)
    [prediction] = Postprocessor(profile)(ssd((0, 0.9, 2, 3, 6, 5)), fitted)
    assert prediction.box == (0.25, 0.25, 0.75, 0.75)


def test_a_box_wholly_in_the_border_is_nothing(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "gluoncv-ssd"}, input__resize="letterbox")
    fitted = fit(profile.input, 80, 40)
    assert Postprocessor(profile)(ssd((0, 0.9, 2, 0, 6, 1)), fitted) == []


def test_sagemaker_ssd_boxes_are_fractions_of_the_input(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "sagemaker-ssd"})
    rows = np.array([[[2, 0.8, 0.1, 0.2, 0.3, 0.4], [-1, 0.9, 0, 0, 1, 1]]], np.float32)
    [prediction] = Postprocessor(profile)([rows], WHOLE)
    assert prediction.label == "two"
    assert prediction.box == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_classification_probabilities_are_taken_as_they_are(make_profile: MakeProfile) -> None:
    scores = np.array([[0.2, 0.7, 0.1]], np.float32)
    found = Postprocessor(make_profile())([scores], WHOLE)
    assert [prediction.label for prediction in found] == ["one", "zero", "two"]
    assert found[0].score == pytest.approx(0.7)
    assert found[0].box is None


def test_classification_logits_become_probabilities(make_profile: MakeProfile) -> None:
    profile = make_profile(output__activation="logits", confidenceThreshold=0)
    found = Postprocessor(profile)([np.array([[1.0, 3.0, 2.0]], np.float32)], WHOLE)
    exponents = np.exp([3.0, 2.0, 1.0])
    scores = [prediction.score for prediction in found]
    assert scores == pytest.approx(exponents / exponents.sum(), abs=1e-6)
    assert [prediction.label for prediction in found] == ["one", "two", "zero"]


def test_softmax_of_huge_logits_does_not_overflow() -> None:
    assert softmax(np.array([1e38, -1e38], np.float32)).tolist() == [1.0, 0.0]


def test_logits_declared_as_probabilities_are_refused(make_profile: MakeProfile) -> None:
    with pytest.raises(ModelError, match=r"set output\.activation to logits"):
        Postprocessor(make_profile())([np.array([[-3.0, 5.0, 1.0]], np.float32)], WHOLE)


def test_threshold_is_inclusive_and_top_k_takes_the_best(make_profile: MakeProfile) -> None:
    scores = [np.array([[0.5, 0.25, 0.25]], np.float32)]
    profile = make_profile()
    assert len(Postprocessor(profile, confidence_threshold=0.25)(scores, WHOLE)) == 3
    assert len(Postprocessor(profile, confidence_threshold=0.2501)(scores, WHOLE)) == 1
    assert [p.label for p in Postprocessor(profile, top_k=2)(scores, WHOLE)] == ["zero", "one"]


def test_classes_are_chosen_before_top_k(make_profile: MakeProfile) -> None:
    scores = [np.array([[0.5, 0.3, 0.2]], np.float32)]
    found = Postprocessor(make_profile(), top_k=1, classes=["two", "one"])(scores, WHOLE)
    assert [prediction.label for prediction in found] == ["one"]


def test_without_labels_a_class_is_its_number(make_profile: MakeProfile) -> None:
    profile = make_profile(labels=None)
    [best, *_] = Postprocessor(profile)([np.array([[0.1, 0.9]], np.float32)], WHOLE)
    assert best.label == "1"


def test_a_class_beyond_the_labels_names_both(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "gluoncv-ssd"})
    with pytest.raises(OutputError, match="class 3, its labels have entries 0 to 2 only"):
        Postprocessor(profile)(ssd((3, 0.9, 0, 0, 1, 1)), WHOLE)


def test_a_classifier_with_another_number_of_classes_names_both(make_profile: MakeProfile) -> None:
    with pytest.raises(ModelError, match="has 4 classes, its labels have 3 entries"):
        Postprocessor(make_profile())([np.full((1, 4), 0.25, np.float32)], WHOLE)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("gluoncv-ssd", [(1, 1000)]),
        ("gluoncv-ssd", [(1, 6, 1), (1, 6, 1), (1, 5, 4)]),
        ("gluoncv-ssd", [(1, 6, 4), (1, 6, 1), (1, 6, 1)]),
        ("sagemaker-ssd", [(1, 1000)]),
        ("sagemaker-ssd", [(1, 6, 6), (1, 1)]),
        ("classification", [(1, 6, 1), (1, 6, 1), (1, 6, 4)]),
        ("classification", [(2, 3)]),
    ],
)
def test_outputs_of_another_kind_are_refused(
    make_profile: MakeProfile, kind: str, shapes: list[tuple[int, ...]]
) -> None:
    profile = make_profile(output={"kind": kind, "activation": "probabilities"}, labels=None)
    with pytest.raises(ModelError, match=f"output kind {kind} needs"):
        Postprocessor(profile)([np.zeros(shape, np.float32) for shape in shapes], WHOLE)


@pytest.mark.parametrize(
    ("labels", "activation", "value", "expected"),
    [
        ("no\nyes\n", "probabilities", 0.9, [("yes", 0.9), ("no", 0.1)]),
        ("no\nyes\n", "logits", 0.0, [("no", 0.5), ("yes", 0.5)]),
        ("no\nyes\n", "logits", -2.0, [("no", 0.880797), ("yes", 0.119203)]),
        ("fire\n", "logits", 2.0, [("fire", 0.880797)]),
        ("fire\n", "probabilities", 0.4, [("fire", 0.4)]),
        ("no\nyes\n", "logits", -2000.0, [("no", 1.0)]),
    ],
)
def test_one_score_is_a_binary_classifier_s(
    make_profile: MakeProfile,
    labels: str,
    activation: str,
    value: float,
    expected: list[tuple[str, float]],
) -> None:
    output = {"kind": "classification", "activation": activation}
    profile = make_profile(labels, output=output)
    found = Postprocessor(profile)([np.array([[value]], np.float32)], WHOLE)
    assert [one.label for one in found] == [label for label, _ in expected]
    assert [one.score for one in found] == pytest.approx([s for _, s in expected], abs=1e-6)
