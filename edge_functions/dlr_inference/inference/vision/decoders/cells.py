"""The cells of a head's grids, and what a box and its keypoints mean relative to a cell."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from ...model.profiles.profile import ModelProfile
from ..activations import sigmoid, softmax
from ..detections import Array
from .boxes import corners

_CELL_INSIDE = ("yolov3", "yolov5")
"""Codes whose tables have all cells of an anchor, one anchor after the other; those of the others
have all anchors of a cell."""
_VARIANCES = (0.1, 0.2)
"""What SSD's offsets and logarithms are multiplied with: https://arxiv.org/abs/1512.02325"""


class Cells:
    """The candidates of all strides in order, each with its cell, and the profile's box code.

    For p the cell's column and row plus ``cellPoint``, s the stride, a the anchor, σ the sigmoid:

    * ``yolox``: centre (xy + p) · s, size exp(wh) · s.
    * ``yolov3``: centre (σ(xy) + p) · s, size exp(wh) · a.
    * ``yolov5``: centre (2σ(xy) − ½ + p) · s, size (2σ(wh))² · a. YOLO 7 has the same.
    * ``ltrb``: left, top, right and bottom sides at those distances from p, in strides.
    * ``dfl``: the same; a distance is the mean of a distribution of ``bins`` logits.
    * ``ssd``: centre p · s + 0.1 · xy · a, size exp(0.2 · wh) · a.
    * ``centernet``: an output of sizes wh and one of offsets xy; centre (xy + p) · s, size wh · s.
    * ``centerface``: the same in the order hw and yx, and size exp(hw) · s.
    """

    def __init__(self, profile: ModelProfile) -> None:
        """Lay out the candidates of the profile's input."""
        self._spec = profile.output
        width, height = profile.input.width, profile.input.height
        self.grids: Sequence[tuple[int, int]] = [
            (-(-width // stride), -(-height // stride)) for stride in self._spec.strides
        ]
        """Width and height of the grid of each stride."""
        anchors = self._spec.anchors
        self.per_cell = len(anchors[0]) if anchors else self._spec.anchors_per_cell
        self.count = sum(width * height for width, height in self.grids) * self.per_cell
        code, bins = self._spec.box_code, self._spec.bins
        self.box_parts = {"boxes": 4 * bins if code == "dfl" else 4}
        """The outputs that describe a box, with their number of values."""
        if code in ("centernet", "centerface"):
            self.box_parts = {"sizes": 2, "offsets": 2}
        self.has_peaks = "sizes" in self.box_parts
        """Whether an object is a peak among neighbouring cells, not several candidates."""
        self._places, self._strides, self._anchors = self._laid_out()

    def head_of(self, table: Array) -> Array:
        """Return the table [A,v] of a stride's candidates as [anchors,cells,v], a view."""
        if self._spec.box_code in _CELL_INSIDE:
            return table.reshape(self.per_cell, -1, table.shape[1])
        return table.reshape(-1, self.per_cell, table.shape[1]).transpose(1, 0, 2)

    def split(self, table: Array) -> list[Array]:
        """Return the table of all candidates as the head of each stride."""
        heads, start = [], 0
        for width, height in self.grids:
            stop = start + width * height * self.per_cell
            heads.append(self.head_of(table[start:stop]))
            start = stop
        return heads

    def corners(self, codes: Array, rows: Array) -> Array:
        """Return the boxes [N,4] of these candidates as corners in input pixels."""
        places, strides, anchors = self._places[rows], self._strides[rows], self._anchors[rows]
        code = self._spec.box_code
        with np.errstate(over="ignore", invalid="ignore"):  # looked at when suppressing
            if code in ("ltrb", "dfl"):
                sides = _means(codes, self._spec.bins) if code == "dfl" else codes
                low, high = places - sides[:, :2], places + sides[:, 2:]
                return np.concatenate([low, high], axis=1) * np.tile(strides, 4)
            first, size = codes[:, :2], codes[:, 2:]
            if code == "yolox":
                centre, size = (first + places) * strides, np.exp(size) * strides
            elif code == "yolov3":
                centre, size = (sigmoid(first) + places) * strides, np.exp(size) * anchors
            elif code in ("centernet", "centerface"):
                size, first = codes[:, :2] * strides, codes[:, 2:]
                if code == "centerface":
                    size, first = (np.exp(codes[:, :2]) * strides)[:, ::-1], first[:, ::-1]
                centre = (first + places) * strides
            elif code == "ssd":
                centre = places * strides + _VARIANCES[0] * first * anchors
                size = np.exp(_VARIANCES[1] * size) * anchors
            else:
                centre = (2 * sigmoid(first) - 0.5 + places) * strides
                size = (2 * sigmoid(size)) ** 2 * anchors
            return corners(np.concatenate([centre, size], axis=1), "cxcywh")

    def keypoints(self, codes: Array, rows: Array, size: int, boxes: Array) -> Array:
        """Return points [N,k·size] of these candidates in input pixels; ``boxes`` are corners.

        They are relative to the cell as a centre is; of ``centerface``, shares of the box.
        """
        points = codes.reshape(len(codes), codes.shape[1] // size, size).copy()
        places, strides = self._places[rows][:, None], self._strides[rows][:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            if self._spec.box_code == "centerface":
                low, sides = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
                points[..., :2] = low + points[..., 1::-1] * sides
            elif self._spec.box_code == "ssd":
                offsets = _VARIANCES[0] * points[..., :2] * self._anchors[rows][:, None]
                points[..., :2] = places * strides + offsets
            else:
                points[..., :2] = (points[..., :2] + places) * strides
        return points.reshape(codes.shape)

    def _laid_out(self) -> tuple[Array, Array, Array]:
        """Return cell [A,2], stride [A,1] and anchor [A,2] of each candidate."""
        places, strides, anchors = [], [], []
        for level, (width, height) in enumerate(self.grids):
            y, x = np.divmod(np.arange(width * height), width)
            one = np.stack([x, y], axis=1) + self._spec.cell_point
            known = self._spec.anchors[level] if self._spec.anchors else ((0.0, 0.0),)
            for index in range(self.per_cell):
                places.append(one)
                strides.append(np.full((len(x), 1), self._spec.strides[level]))
                anchors.append(np.tile(known[index % len(known)], (len(x), 1)))
        return tuple(  # type: ignore[return-value]
            np.concatenate(one).astype(np.float32) for one in (places, strides, anchors)
        )


def gathered(heads: Sequence[Array], rows: Array) -> Array:
    """Return the candidates ``rows`` of heads [anchors,cells,v] as a table [N,v], in this order."""
    found = np.empty((len(rows), heads[0].shape[2]), np.float32)
    start = 0
    for head in heads:
        count, cells = head.shape[:2]
        inner = (rows >= start) & (rows < start + count * cells)
        at = rows[inner] - start
        found[inner] = head[at // cells, at % cells]
        start += count * cells
    return found


def peaks(head: Array, width: int, height: int, nothing: float) -> Array:
    """Return a head [1,cells,v] with ``nothing`` where a neighbour of the cell has a larger value.

    https://arxiv.org/abs/1904.07850, section 3: a peak is no less than its eight neighbours.
    """
    table = head.reshape(height, width, -1)
    wide = np.pad(table, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    tall = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
    most = np.maximum(np.maximum(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
    is_less = table < most  # not with NaN, so that it is noticed
    return np.where(is_less, np.float32(nothing), table).reshape(head.shape)


def _means(codes: Array, bins: int) -> Array:
    """Return the means [N,4] of distributions over 0 to bins − 1, given as logits [N,4·bins]."""
    shares = softmax(codes.reshape(-1, bins))
    return (shares @ np.arange(bins, dtype=np.float32)).reshape(-1, 4)
