"""The comparison of detections: it lets ties pass, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.model.profiles.profile import load_profile
from inference.vision.detections import Detections
from mli.compile.tvm.suppression import Suppression, suppress
from mli.compile.verification import compare_detections, compare_found, compare_scores
from mli.errors import MliError

RULE = Suppression(detections=20)
SIZE = (100, 100)


@pytest.fixture
def expected() -> dict[str, Any]:
    generator = np.random.default_rng(5)
    corner = generator.uniform(0, 80, (60, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(8, 30, (60, 2))], 1)
    scores = generator.uniform(0, 1, (60, 3))
    return {"scores": scores[None].astype(np.float32), "boxes": boxes[None].astype(np.float32)}


def rows(expected: dict[str, Any]) -> list[Any]:
    """Return what a right model says."""
    ids, scores, boxes = suppress(expected["scores"][0], expected["boxes"][0], RULE)
    outputs = [np.full((1, 20, width), -1, np.float32) for width in (1, 1, 4)]
    for output, values in zip(outputs, (ids[:, None], scores[:, None], boxes), strict=True):
        output[0, : len(ids)] = values
    return outputs


def test_right_detections_pass(expected: dict[str, Any]) -> None:
    assert compare_detections(rows(expected), expected, RULE, SIZE) == 0


def test_tied_detections_may_change_places(expected: dict[str, Any]) -> None:
    outputs = rows(expected)
    first = int(np.argmax(expected["scores"][0].max(axis=1)))
    expected["scores"][0, first] = np.where(
        expected["scores"][0, first] == outputs[1][0, 0, 0],
        outputs[1][0, 1, 0],
        expected["scores"][0, first],
    )
    outputs[1][0, 0, 0] = outputs[1][0, 1, 0]
    swapped = [output[:, [1, 0, *range(2, 20)]] for output in outputs]
    assert compare_detections(swapped, expected, RULE, SIZE) == 0


def test_missing_detection_is_noticed(expected: dict[str, Any]) -> None:
    generous = Suppression(detections=21)
    outputs = [np.concatenate([o, o[:, :1] * 0 - 1], 1) for o in rows(expected)]
    outputs = [np.delete(np.concatenate([o, o[:, -1:]], 1), 2, axis=1) for o in outputs]
    with pytest.raises(MliError, match="misses a detection"):
        compare_detections(outputs, expected, generous, SIZE)


def test_second_detection_of_one_object_is_noticed(expected: dict[str, Any]) -> None:
    outputs = [np.repeat(output[:, :10], 2, axis=1) for output in rows(expected)]
    with pytest.raises(MliError, match="keeps two detections"):
        compare_detections(outputs, expected, RULE, SIZE)


@pytest.mark.parametrize("shift", [0.2, -0.5, float("nan")])
def test_moved_box_is_noticed(expected: dict[str, Any], shift: float) -> None:
    outputs = rows(expected)
    outputs[2][0, 0, 1] += shift
    with pytest.raises(MliError, match="differs from onnxruntime"):
        compare_detections(outputs, expected, RULE, SIZE)


def test_wrong_class_is_noticed(expected: dict[str, Any]) -> None:
    outputs = rows(expected)
    outputs[0][0, 0, 0] = (outputs[0][0, 0, 0] + 1) % 3
    with pytest.raises(MliError, match="differs from onnxruntime"):
        compare_detections(outputs, expected, RULE, SIZE)


def test_scores_are_compared_relative_to_the_largest() -> None:
    large = np.array([[1000.0, -5.0]], np.float32)
    assert compare_scores([large + np.float32(0.5)], large) == pytest.approx(5e-4)
    small = np.array([[0.9, 0.1]], np.float32)
    with pytest.raises(MliError, match=r"a score by 0\.002"):
        compare_scores([small + np.float32(0.002)], small)


def test_a_box_at_the_edge_without_area_is_itself() -> None:
    """A detector clips boxes to the image, and what lay outside it has no width then."""
    profile = load_profile("yolo11-coco")
    boxes = np.array([[640, 10, 640, 90], [10, 10, 50, 50]], np.float32)
    found = Detections(np.array([3, 5]), np.array([0.9, 0.8], np.float32), boxes)
    assert compare_found(found, found, profile) == (0.0, 2)
    moved = Detections(found.class_ids, found.scores, boxes + np.array([0, 40, 0, 40], np.float32))
    with pytest.raises(MliError, match="misses a detection: class 3"):
        compare_found(moved, found, profile)
