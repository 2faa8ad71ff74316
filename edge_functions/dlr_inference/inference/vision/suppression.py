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
    candidates = _Boxes(boxes[order], class_ids[order])
    kept = np.zeros(0, np.intp)
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        if len(kept):
            block = block[~candidates.overlap(block, kept, iou).any(axis=1)]
        kept = np.concatenate([kept, block[_survivors(candidates, block, iou)]])
        if len(kept) >= limit:
            break
    return order[kept[:limit]]


def _survivors(candidates: _Boxes, block: Any, iou: float) -> Any:
    """Return which boxes of one block stay, best first, when only they are compared."""
    overlaps = candidates.overlap(block, block, iou)
    overlaps &= block[:, None] < block[None]
    stays = np.ones(len(block), bool)
    for row in np.flatnonzero(overlaps.any(axis=1)):
        if stays[row]:
            stays &= ~overlaps[row]
    return stays


class _Boxes:
    """Boxes of classes; each coordinate is an array of its own, which is faster to compare."""

    def __init__(self, boxes: Any, class_ids: Any) -> None:
        self._x1, self._y1, self._x2, self._y2 = np.ascontiguousarray(boxes.T)
        self._class_ids = class_ids
        with np.errstate(over="ignore", invalid="ignore"):  # absurd boxes overlap nothing
            self._areas = (self._x2 - self._x1) * (self._y2 - self._y1)

    def overlap(self, some: Any, others: Any, iou: float) -> Any:
        """Return [some, others]: whether two boxes of one class overlap by more than ``iou``.

        Classes are compared, instead of moving each class's boxes apart: large offsets would cost
        precision where boxes are fractions.
        """
        rows = some[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            width = np.minimum(self._x2[rows], self._x2[others])
            width -= np.maximum(self._x1[rows], self._x1[others])
            height = np.minimum(self._y2[rows], self._y2[others])
            height -= np.maximum(self._y1[rows], self._y1[others])
            common = np.maximum(width, 0) * np.maximum(height, 0)
            together = self._areas[rows] + self._areas[others] - common
            are_same = self._class_ids[rows] == self._class_ids[others]
            return (common > iou * together) & are_same
