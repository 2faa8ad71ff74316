"""Non-maximum suppression of each class by itself, in blocks of candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

CANDIDATES = 1000
"""More boxes than this above the threshold are no detections; the best scores are looked at."""

_BLOCK = 64
"""Candidates that are compared at once. One by one costs a call for each box that is kept, and all
at once costs the square of their number: blocks are faster than both for few boxes and for many."""


def suppress(boxes: Any, scores: Any, class_ids: Any, iou: float, limit: int) -> Any:
    """Return the indices of the boxes to keep, best first, at most ``limit``.

    ``boxes`` [N,4] are xmin, ymin, xmax, ymax in any unit. Of two boxes of one class whose
    intersection over union is above ``iou``, the one with the lower score goes.
    """
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    if iou >= 1:
        return order[:limit]
    boxes, class_ids = boxes[order], class_ids[order]
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        if len(kept):
            block = block[~_overlaps(boxes, class_ids, block, kept, iou).any(axis=1)]
        kept = np.concatenate([kept, block[_survivors(boxes, class_ids, block, iou)]])
        if len(kept) >= limit:
            break
    return order[kept[:limit]]


def _survivors(boxes: Any, class_ids: Any, block: Any, iou: float) -> Any:
    """Return which boxes of one block stay, best first, when only they are compared."""
    overlaps = np.triu(_overlaps(boxes, class_ids, block, block, iou), 1)
    stays = np.ones(len(block), bool)
    for row in np.flatnonzero(overlaps.any(axis=1)):
        if stays[row]:
            stays &= ~overlaps[row]
    return stays


def _overlaps(boxes: Any, class_ids: Any, some: Any, others: Any, iou: float) -> Any:
    """Return [some, others]: whether two boxes of one class overlap by more than ``iou``.

    Classes are compared, instead of moving each class's boxes apart: large offsets would cost
    precision where boxes are fractions.
    """
    first, second = boxes[some][:, None], boxes[others][None]
    with np.errstate(over="ignore", invalid="ignore"):  # absurd boxes overlap nothing
        low = np.maximum(first[..., :2], second[..., :2])
        high = np.minimum(first[..., 2:], second[..., 2:])
        sides = np.maximum(high - low, 0)
        common = sides[..., 0] * sides[..., 1]
        together = _areas(first) + _areas(second) - common
        return (common > iou * together) & (class_ids[some][:, None] == class_ids[others][None])


def _areas(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
