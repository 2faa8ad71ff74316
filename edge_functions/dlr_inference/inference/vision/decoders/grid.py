"""Raw heads whose boxes are relative to the cells of a grid: YOLOX, and YOLO 3, 5 and 7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ...model.profile import ModelProfile
from ..activations import sigmoid
from ..detections import Array, Detections, Outputs
from . import boxes as box_forms
from .binding import Bound, Role
from .candidates import candidates, finished, least
from .interface import Decoder

_WHOLE = "rows"
"""The role of one output that has the candidates of all strides, one stride after the other."""


@dataclass(frozen=True)
class _Cells:
    """For each candidate, in order: its cell [A,2], its stride [A,1] and its anchor [A,2]."""

    places: Array
    strides: Array
    anchors: Array


class GridDecoder(Decoder):
    """Reads one output for each stride, or one of all: [box, objectness, classes] per candidate.

    The box is decoded as the profile's ``boxCode`` says, for g the cell, s the stride, a the anchor
    and σ the sigmoid:

    * ``yolox``: centre (xy + g) · s, size exp(wh) · s.
    * ``yolov3``: centre (σ(xy) + g) · s, size exp(wh) · a.
    * ``yolov5``: centre (2σ(xy) − ½ + g) · s, size (2σ(wh))² · a. YOLO 7 has the same.
    """

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        values, per_cell = self._values(), self._per_cell()
        size = str(values) if values is not None else f"C+{self._start()}"
        cells = sum(width * height for width, height in self._grids())
        whole = f"one output [1,{cells * per_cell},{size}]"
        maps = [
            f"[1,{per_cell * values if values is not None else f'{per_cell}·({size})'},{h},{w}]"
            for w, h in self._grids()
        ]
        return f"{whole}, or an output for each stride: {', '.join(maps)}"

    def __init__(self, profile: ModelProfile, names: Sequence[str], threshold: float) -> None:
        """See :class:`Decoder`."""
        super().__init__(profile, names, threshold)
        self._cells = self._all_cells()

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        maps = [
            Role(str(stride), lambda output, grid=grid: self._as_head(output, grid) is not None)  # type: ignore[misc]
            for stride, grid in zip(self.spec.strides, self._grids())
        ]
        return self.find(outputs, [[Role(_WHOLE, self._is_whole)], maps], self._agree)

    def decode(self, bound: Bound) -> Detections:
        """Return the detections in outputs that :meth:`bind` returned."""
        heads = self._heads(bound)
        objectness: Array | None = None
        rows: Array | None = None
        if self.spec.objectness != "none":
            objectness = np.concatenate([head[..., 4].reshape(-1) for head in heads])
            rows = np.flatnonzero(~(objectness < least(self)))  # with NaN, so that it is noticed
            objectness = objectness[rows]
        table = _rows(heads, rows)
        found = candidates(self, table[:, self._start() :], 1, objectness)
        some = table[found.rows]
        cells = found.rows if rows is None else rows[found.rows]
        return finished(self, found, self._corners(some[:, :4], cells))

    def _heads(self, bound: Bound) -> list[Array]:
        """Return each output as [anchors,cells,values], a view of it."""
        if _WHOLE in bound:
            table = box_forms.table_of(self.real(bound[_WHOLE]))
            assert table is not None  # or it would not have been bound
            return [table[None]]
        heads = []
        for stride, grid in zip(self.spec.strides, self._grids()):
            head = self._as_head(self.real(bound[str(stride)]), grid)
            assert head is not None
            heads.append(head)
        return heads

    def _as_head(self, output: Array, grid: tuple[int, int]) -> Array | None:
        """Return a map as [anchors,cells,values], or None if it is none of this ``grid``.

        It is [1,a·v,h,w], [1,h,w,a·v], [1,a,h,w,v] or [1,a,v,h,w].
        """
        (width, height), per_cell = grid, self._per_cell()
        cells, shape = width * height, output.shape
        if shape[:1] != (1,):
            return None
        found: Array | None = None
        if len(shape) == 4 and shape[2:] == (height, width) and shape[1] % per_cell == 0:
            found = output.reshape(per_cell, -1, cells).transpose(0, 2, 1)
        elif len(shape) == 4 and shape[1:3] == (height, width) and shape[3] % per_cell == 0:
            found = output.reshape(cells, per_cell, -1).transpose(1, 0, 2)
        elif len(shape) == 5 and shape[1:4] == (per_cell, height, width):
            found = output.reshape(per_cell, cells, -1)
        elif len(shape) == 5 and shape[1:2] + shape[3:] == (per_cell, height, width):
            found = output.reshape(per_cell, -1, cells).transpose(0, 2, 1)
        return found if found is not None and self._fits(found.shape[2]) else None

    def _is_whole(self, output: Array) -> bool:
        table = box_forms.table_of(output)
        cells = sum(width * height for width, height in self._grids())
        if table is None or len(table) != cells * self._per_cell():
            return False
        return self._fits(table.shape[1])

    def _agree(self, bound: Bound) -> bool:
        if _WHOLE in bound:
            return True
        sizes = {
            head.shape[2]
            for stride, grid in zip(self.spec.strides, self._grids())
            for head in [self._as_head(bound[str(stride)], grid)]
            if head is not None
        }
        return len(sizes) == 1

    def _fits(self, values: int) -> bool:
        wanted = self._values()
        return values > self._start() if wanted is None else values == wanted

    def _values(self) -> int | None:
        """Return how many values a candidate has; None if nobody knows its classes."""
        labels = self.profile.labels
        if labels is None:
            return None
        return self._start() + len(labels)

    def _start(self) -> int:
        return 4 + int(self.spec.objectness != "none")

    def _per_cell(self) -> int:
        return len(self.spec.anchors[0]) if self.spec.anchors else 1

    def _grids(self) -> Sequence[tuple[int, int]]:
        """Return the width and height of the grid of each stride."""
        width, height = self.profile.input.width, self.profile.input.height
        return [(-(-width // stride), -(-height // stride)) for stride in self.spec.strides]

    def _corners(self, codes: Array, rows: Array) -> Array:
        """Return the boxes [N,4] of candidates as corners in input pixels."""
        all_cells = self._cells
        places, strides = all_cells.places[rows], all_cells.strides[rows]
        centre, size = codes[:, :2], codes[:, 2:]
        with np.errstate(over="ignore", invalid="ignore"):  # looked at when suppressing
            if self.spec.box_code == "yolox":
                centre, size = (centre + places) * strides, np.exp(size) * strides
            elif self.spec.box_code == "yolov3":
                centre, size = (
                    (sigmoid(centre) + places) * strides,
                    np.exp(size) * all_cells.anchors[rows],
                )
            else:
                centre = (2 * sigmoid(centre) - 0.5 + places) * strides
                size = (2 * sigmoid(size)) ** 2 * all_cells.anchors[rows]
            return box_forms.corners(np.concatenate([centre, size], axis=1), "cxcywh")

    def _all_cells(self) -> _Cells:
        places, strides, anchors = [], [], []
        for level, (width, height) in enumerate(self._grids()):
            y, x = np.divmod(np.arange(width * height), width)
            for anchor in self.spec.anchors[level] if self.spec.anchors else ((0.0, 0.0),):
                places.append(np.stack([x, y], axis=1))
                strides.append(np.full((len(x), 1), self.spec.strides[level]))
                anchors.append(np.tile(anchor, (len(x), 1)))
        tables = (np.concatenate(one).astype(np.float32) for one in (places, strides, anchors))
        return _Cells(*tables)


def _rows(heads: Sequence[Array], rows: Array | None) -> Array:
    """Return these candidates as a table [N,values]; None: all."""
    if rows is None:
        return np.concatenate([head.reshape(-1, head.shape[2]) for head in heads])
    parts = []
    start = 0
    for head in heads:
        count, cells = head.shape[:2]
        inner = rows[(rows >= start) & (rows < start + count * cells)] - start
        parts.append(head[inner // cells, inner % cells])
        start += count * cells
    return np.concatenate(parts)
