"""Compares the outputs of a compiled model with those of onnxruntime for the same input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inference.model.profiles.profile import ModelProfile
from inference.vision.detections import Detections

from ..errors import MliError
from .tvm.suppression import Suppression, overlaps

TOLERANCE = 1e-3
"""The largest difference allowed: of scores, and of boxes in fractions of the input's side."""


MOST_STEPS = 4
"""Quantised values may differ by this many steps: each engine rounds at its own place, and errors
of inner layers add up."""
_LARGEST_TOLERANCE = 0.1
_SAME_BOX = 0.5


def tolerance_for(step: float) -> float:
    """Return the tolerance for outputs that are rounded to multiples of ``step``; 0: to none."""
    return max(TOLERANCE, min(MOST_STEPS * step, _LARGEST_TOLERANCE))


def compare_scores(outputs: list[Any], reference: Any, tolerance: float = TOLERANCE) -> float:
    """Return the largest difference of a classifier's scores, relative where they exceed 1.

    Raises:
        MliError: if it is more than ``tolerance``, or the output is of another shape.
    """
    if len(outputs) != 1 or outputs[0].shape != reference.shape:
        shapes = [list(output.shape) for output in outputs]
        raise MliError(f"the compiled model returned {shapes}, not {list(reference.shape)}")
    scale = max(1.0, float(np.abs(reference).max()))
    return _passed(float(np.abs(outputs[0] - reference).max()) / scale, "a score", tolerance)


def compare_detections(
    outputs: list[Any],
    expected: Mapping[str, Any],
    rule: Suppression,
    size: tuple[int, int],
    tolerance: float = TOLERANCE,
) -> float:
    """Return the largest difference of a detector's rows from onnxruntime's anchors.

    The rows must also be those that greedy suppression keeps: none overlaps a better one of its
    class, and every candidate that is missing is overlapped by a row. Decisions closer than the
    ``tolerance`` may fall either way, so that ties do not count as differences.

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
    difference = _passed(anchors.farthest(ids, scores, boxes), "a detection", tolerance)
    _check_kept(ids, scores, boxes, rule, tolerance)
    _check_missing(anchors, ids, scores, boxes, rule, tolerance)
    return difference


def compare_found(
    found: Detections, expected: Detections, profile: ModelProfile, tolerance: float = TOLERANCE
) -> tuple[float, int]:
    """Return the largest difference of decoded detections, and how many were compared.

    Each detection above the profile's threshold needs one of its class at its place on the other
    side; those closer than the tolerance to the threshold may be missing.

    Raises:
        MliError: naming what differs.
    """
    sides = np.array((profile.input.width, profile.input.height) * 2, np.float64)
    threshold = profile.confidence_threshold
    differences = [0.0]
    for these, those, what in ((expected, found, "misses"), (found, expected, "adds")):
        assert these.boxes is not None and those.boxes is not None  # both of one profile
        for row in np.flatnonzero(these.scores >= threshold):
            same = np.flatnonzero(those.class_ids == these.class_ids[row])
            box = these.boxes[row] / sides
            others = those.boxes[same] / sides
            is_near = np.abs(others - box).max(axis=1, initial=0) <= tolerance  # also without area
            near = same[is_near | (_iou(box, others) >= _SAME_BOX)] if len(same) else same
            if len(near):
                by_score = np.abs(those.scores[near] - these.scores[row])
                by_box = np.abs(those.boxes[near] / sides - box).max(axis=1)
                differences.append(float(np.maximum(by_score, by_box).min()))
            elif these.scores[row] > threshold + tolerance:
                raise MliError(
                    f"the compiled model {what} a detection: class {int(these.class_ids[row])} "
                    f"with score {float(these.scores[row]):.4f}; no artifact was written"
                )
    compared = int((expected.scores >= threshold).sum())
    return _passed(max(differences), "a detection", tolerance), compared


def compare_decoded(
    found: Detections, expected: Detections, profile: ModelProfile, tolerance: float = TOLERANCE
) -> tuple[float, int | None]:
    """Return the largest difference of what the core reads, and how many detections it compared.

    The number is None for a model that returns none: of a segmentation the share of pixels of
    another class counts, of a classifier the scores.

    Raises:
        MliError: if it is more than ``tolerance``.
    """
    if expected.class_map is not None:
        share = float(np.mean(found.class_map != expected.class_map))
        return _passed(share, "the class of a pixel", tolerance), None
    if expected.boxes is not None:
        return compare_found(found, expected, profile, tolerance)
    order, wanted = np.argsort(found.class_ids), np.argsort(expected.class_ids)
    difference = np.abs(found.scores[order] - expected.scores[wanted]).max()
    return _passed(float(difference), "a score", tolerance), None


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
        return float(np.max(farthest))  # NaN if one of them is


def _check_kept(ids: Any, scores: Any, boxes: Any, rule: Suppression, tolerance: float) -> None:
    for row in range(1, len(ids)):
        if scores[row] > scores[row - 1] + tolerance:
            raise MliError("the compiled model's detections are not sorted by score")
        rivals = np.flatnonzero(ids[:row] == ids[row])
        if len(rivals) and _iou(boxes[row], boxes[rivals]).max() > rule.iou_threshold + tolerance:
            raise MliError("the compiled model keeps two detections of one object")


def _check_missing(
    anchors: _Anchors, ids: Any, scores: Any, boxes: Any, rule: Suppression, tolerance: float
) -> None:
    ordered = np.sort(anchors.scores)[::-1]
    floor = rule.score_threshold
    if len(ordered) > rule.candidates:
        floor = max(floor, float(ordered[rule.candidates]))
    if len(ids) == rule.detections:
        floor = max(floor, float(scores[-1]))
    whole = (anchors.boxes[:, 2:] > anchors.boxes[:, :2]).all(axis=1)
    for anchor in np.flatnonzero((anchors.scores > floor + tolerance) & whole):
        rivals = (ids == anchors.ids[anchor]) & (scores >= anchors.scores[anchor] - tolerance)
        box = anchors.boxes[anchor]
        near = _iou(box, boxes[rivals]) if rivals.any() else np.zeros(1)
        if near.max() < rule.iou_threshold - tolerance:
            raise MliError(
                f"the compiled model misses a detection: class {anchors.ids[anchor]} with "
                f"score {anchors.scores[anchor]:.4f}"
            )


def _iou(box: Any, others: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(overlaps(box, others))


def _passed(difference: float, what: str, tolerance: float = TOLERANCE) -> float:
    if not difference <= tolerance:  # also if it is not a number
        raise MliError(
            f"the compiled model differs from onnxruntime: {what} by {difference:.3g}, "
            f"more than {tolerance:g}; no artifact was written"
        )
    return difference
