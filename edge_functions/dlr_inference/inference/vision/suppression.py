"""Non-maximum suppression of each class by itself, in blocks of candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

CANDIDATES = 1000
"""More boxes than this above the threshold are not detections; the best scores are looked at."""

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
    kept: list[int] = []
    with np.errstate(over="ignore", invalid="ignore"):  # absurd boxes overlap nothing
        candidates = _Boxes(boxes[order], class_ids[order])
        for start in range(0, len(order), _BLOCK):
            if len(kept) >= limit:
                break
            block = np.arange(start, min(start + _BLOCK, len(order)))
            if kept:
                block = block[~candidates.overlaps(block, kept, iou).any(axis=1)]
            kept += _survivors(block, candidates.overlaps(block, block, iou))
    return order[kept[:limit]]


def _survivors(block: Any, overlaps: Any) -> list[int]:
    """Return which candidates of one block stay, best first, when only they are compared."""
    kept, gone = [], np.zeros(len(block), bool)
    for row, candidate in enumerate(block.tolist()):
        if not gone[row]:
            kept.append(candidate)
            gone |= overlaps[row]
    return kept


class _Boxes:
    """Boxes of classes; each coordinate is an array of its own, which is faster to compare."""

    def __init__(self, boxes: Any, class_ids: Any) -> None:
        self._corners = np.ascontiguousarray(boxes.T)
        xmin, ymin, xmax, ymax = self._corners
        self._areas = (xmax - xmin) * (ymax - ymin)
        self._class_ids = class_ids

    def overlaps(self, some: Any, others: Any, iou: float) -> Any:
        """Return [some, others]: whether two boxes of one class overlap by more than ``iou``.

        Classes are compared, instead of moving each class's boxes apart: large offsets would cost
        precision where boxes are fractions.
        """
        first = self._corners.take(some, axis=1)[:, :, None]
        second = self._corners.take(others, axis=1)[:, None]
        sides = np.minimum(first[2:], second[2:])
        sides -= np.maximum(first[:2], second[:2])
        np.maximum(sides, 0, out=sides)
        common = sides[0] * sides[1]
        together = self._areas.take(some)[:, None] + self._areas.take(others)
        together -= common
        together *= iou
        are_same = self._class_ids.take(some)[:, None] == self._class_ids.take(others)
        return (common > together) & are_same
