"""Non-maximum suppression as in the compiled detectors: its parameters, and a reference.

NumPy only, so that both environments can import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
"""A ``numpy.ndarray``."""

SCORE_THRESHOLD = 0.01
IOU_THRESHOLD = 0.45
CANDIDATES = 400
DETECTIONS = 100
"""The parameters of GluonCV's SSD models, and how many rows they return."""


@dataclass(frozen=True)
class Suppression:
    """Parameters of the greedy rule: within a class, best first, among the best candidates."""

    score_threshold: float = SCORE_THRESHOLD
    iou_threshold: float = IOU_THRESHOLD
    candidates: int = CANDIDATES
    detections: int = DETECTIONS


def suppress(
    scores: Array, boxes: Array, rule: Suppression = Suppression()
) -> tuple[Array, Array, Array]:
    """Return class ids, scores and boxes of the detections left, best first.

    Args:
        scores: [A,C] of A anchors; the best class of an anchor is its only one.
        boxes: [A,4] as xmin, ymin, xmax, ymax.
        rule: its parameters.
    """
    ids, best = scores.argmax(axis=1), scores.max(axis=1)
    order = np.argsort(-best, kind="stable")[: rule.candidates]
    order = order[best[order] > rule.score_threshold]
    kept: list[int] = []
    for row in order:
        rivals = [other for other in kept if ids[other] == ids[row]]
        if not rivals or overlaps(boxes[row], boxes[rivals]).max() < rule.iou_threshold:
            kept.append(int(row))
    kept = kept[: rule.detections]
    return ids[kept], best[kept], boxes[kept]


def overlaps(box: Array, others: Array) -> Array:
    """Return the intersection over union of one box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    return shared / (area + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared)


def rows(scores: Array, boxes: Array, rule: Suppression = Suppression()) -> list[Array]:
    """Return class ids [1,N,1], scores [1,N,1] and boxes [1,N,4] as a compiled detector does.

    ``scores`` [A,C] and ``boxes`` [A,4] are those of :func:`suppress`; unused rows are −1.
    """
    ids, best, kept = suppress(scores, boxes, rule)
    outputs = [np.full((1, rule.detections, width), -1, np.float32) for width in (1, 1, 4)]
    for output, values in zip(outputs, (ids[:, None], best[:, None], kept), strict=True):
        output[0, : len(ids)] = values
    return outputs
