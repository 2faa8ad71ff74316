"""Compares the outputs of a compiled model with those of onnxruntime for the same input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import MliError
from .tvm.suppression import Suppression, overlaps

TOLERANCE = 1e-3
"""The largest difference allowed: of scores, and of boxes in fractions of the input's side."""


def compare_scores(outputs: list[Any], expected: Mapping[str, Any]) -> float:
    """Return the largest difference of a classifier's scores, relative where they exceed 1.

    Raises:
        MliError: if it is more than ``TOLERANCE``, or the output is of another shape.
    """
    reference = expected["scores"]
    if len(outputs) != 1 or outputs[0].shape != reference.shape:
        shapes = [list(output.shape) for output in outputs]
        raise MliError(f"the compiled model returned {shapes}, not {list(reference.shape)}")
    scale = max(1.0, float(np.abs(reference).max()))
    return _passed(float(np.abs(outputs[0] - reference).max()) / scale, "a score")


def compare_detections(
    outputs: list[Any], expected: Mapping[str, Any], rule: Suppression, size: tuple[int, int]
) -> float:
    """Return the largest difference of a detector's rows from onnxruntime's anchors.

    The rows must also be those that greedy suppression keeps: none overlaps a better one of its
    class, and every candidate that is missing is overlapped by a row. Decisions closer than
    ``TOLERANCE`` may fall either way, so that ties do not count as differences.

    Args:
        outputs: class ids [1,N,1], scores [1,N,1] and boxes [1,N,4] in pixels.
        expected: scores [1,A,C] and boxes [1,A,4] before suppression.
        rule: the numbers of the suppression.
        size: width and height of the input.

    Raises:
        MliError: naming what differs.
    """
    rows = rule.detections
    shapes = [tuple(output.shape) for output in outputs]
    if shapes != [(1, rows, 1), (1, rows, 1), (1, rows, 4)]:
        raise MliError(f"the compiled model returned outputs of shapes {shapes}")
    used = outputs[0][0, :, 0] >= 0
    ids = outputs[0][0, used, 0].astype(int)
    scores = outputs[1][0, used, 0]
    sides = np.array(size * 2, np.float64)
    boxes = outputs[2][0, used] / sides
    anchors = _Anchors(expected["scores"][0], expected["boxes"][0] / sides)
    difference = _passed(anchors.farthest(ids, scores, boxes), "a detection")
    _check_kept(ids, scores, boxes, rule)
    _check_missing(anchors, ids, scores, boxes, rule)
    return difference


class _Anchors:
    """What onnxruntime returns for each anchor: best class, its score, its box in fractions."""

    def __init__(self, scores: Any, boxes: Any) -> None:
        self.ids, self.scores, self.boxes = scores.argmax(axis=1), scores.max(axis=1), boxes
        self._all_scores = scores

    def farthest(self, ids: Any, scores: Any, boxes: Any) -> float:
        """Return how far the worst of some detections is from its nearest anchor."""
        farthest = [0.0]
        for class_id, score, box in zip(ids, scores, boxes, strict=True):
            by_score = np.abs(self._all_scores[:, class_id] - score)
            by_box = np.abs(self.boxes - box).max(axis=1)
            farthest.append(float(np.maximum(by_score, by_box).min()))
        return float(np.max(farthest))  # not a number if one of them is none


def _check_kept(ids: Any, scores: Any, boxes: Any, rule: Suppression) -> None:
    for row in range(1, len(ids)):
        if scores[row] > scores[row - 1] + TOLERANCE:
            raise MliError("the compiled model's detections are not sorted by score")
        rivals = np.flatnonzero(ids[:row] == ids[row])
        if len(rivals) and _iou(boxes[row], boxes[rivals]).max() > rule.iou_threshold + TOLERANCE:
            raise MliError("the compiled model keeps two detections of one object")


def _check_missing(anchors: _Anchors, ids: Any, scores: Any, boxes: Any, rule: Suppression) -> None:
    ordered = np.sort(anchors.scores)[::-1]
    floor = rule.score_threshold
    if len(ordered) > rule.candidates:
        floor = max(floor, float(ordered[rule.candidates]))
    if len(ids) == rule.detections:
        floor = max(floor, float(scores[-1]))
    whole = (anchors.boxes[:, 2:] > anchors.boxes[:, :2]).all(axis=1)
    for anchor in np.flatnonzero((anchors.scores > floor + TOLERANCE) & whole):
        rivals = (ids == anchors.ids[anchor]) & (scores >= anchors.scores[anchor] - TOLERANCE)
        box = anchors.boxes[anchor]
        near = _iou(box, boxes[rivals]) if rivals.any() else np.zeros(1)
        if near.max() < rule.iou_threshold - TOLERANCE:
            raise MliError(
                f"the compiled model misses a detection: class {anchors.ids[anchor]} with "
                f"score {anchors.scores[anchor]:.4f}"
            )


def _iou(box: Any, others: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(overlaps(box, others))


def _passed(difference: float, what: str) -> float:
    if not difference <= TOLERANCE:  # also if it is not a number
        raise MliError(
            f"the compiled model differs from onnxruntime: {what} by {difference:.3g}, "
            f"more than {TOLERANCE:g}; no artifact was written"
        )
    return difference
