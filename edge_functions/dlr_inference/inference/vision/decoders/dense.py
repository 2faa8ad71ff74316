"""Raw heads: a box and a score of each class for every candidate, not suppressed yet.

YOLO's and SSD's heads are of this kind, and set prediction, which needs no suppression.
"""

from __future__ import annotations

import numpy as np

from ..detections import Array, Detections, Outputs
from . import boxes as box_forms
from .binding import Bound, Role
from .candidates import candidates, finished
from .interface import Decoder


class DenseDecoder(Decoder):
    """Reads one output of [box, objectness, classes, keypoints, extra values] for each candidate,
    or two outputs: boxes and class scores."""

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        count = self._classes()
        if self.spec.separate_scores:
            scores = "C" if count is None else str(count)
            return f"boxes {self._shape('4')} and scores {self._shape(scores)}"
        parts = [(4, "of the box"), (int(self.spec.objectness != "none"), "objectness")]
        parts += [(count or 0, "classes"), (self._points(), "of keypoints")]
        parts += [(int(self.spec.angle), "angle"), (self.spec.extra_values, "more")]
        total = sum(number for number, _ in parts)
        size = f"C+{total}" if count is None else str(total)
        listed = " + ".join(f"{number} {what}" for number, what in parts if number)
        return f"one output {self._shape(size)}, {listed}{' + C classes' if count is None else ''}"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        if not self.spec.separate_scores:
            return self.find(outputs, [[Role("rows", self._is_rows)]])
        roles = [Role("boxes", self._is_boxes), Role("scores", self._is_scores)]
        return self.find(outputs, [roles], self._agree)

    def decode(self, bound: Bound) -> Detections:
        """Return the detections in outputs that :meth:`bind` returned."""
        if "rows" not in bound:
            boxes = self.lengths(self._rows(bound["boxes"]))
            found = candidates(self, self.real(self._rows(bound["scores"])))
            return finished(self, found, self._corners(boxes[found.rows]))
        rows = self.real(self._rows(bound["rows"]))
        start = 4 + int(self.spec.objectness != "none")
        stop = rows.shape[1] - self._points() - int(self.spec.angle) - self.spec.extra_values
        objectness: Array | None = None
        if self.spec.objectness != "none":
            objectness = np.ascontiguousarray(rows[:, 4])  # it is read several times
        found = candidates(self, rows[:, start:stop], objectness)
        corners, rest = self._corners(rows[found.rows, :4]), rows[found.rows, stop:]
        if self.spec.angle:
            corners = box_forms.upright(corners, rest[:, self._points()])
        return finished(self, found, corners, self._keypoints(rest))

    def _classes(self) -> int | None:
        """Return how many scores a candidate has, with the background; None if nobody knows."""
        labels = self.profile.labels
        if labels is None:
            return 0 if self.spec.objectness == "only" and not self.spec.separate_scores else None
        return len(labels) + int(self.spec.background != "none")

    def _points(self) -> int:
        return int(np.prod(self.spec.keypoints)) if self.spec.keypoints is not None else 0

    def _shape(self, values: str) -> str:
        return f"[1,A,{values}]" if self.spec.anchor_axis == 1 else f"[1,{values},A]"

    def _rows(self, output: Array) -> Array:
        """Return an output as [A,values], a view."""
        table = box_forms.table_of(output)
        assert table is not None  # or it would not have been bound
        return table if self.spec.anchor_axis == 1 else table.T

    def _is_rows(self, output: Array) -> bool:
        table = box_forms.table_of(output)
        if table is None or output.ndim < 3:
            return False
        rest = table.shape[2 - self.spec.anchor_axis] - 4 - int(self.spec.objectness != "none")
        rest -= self._points() + int(self.spec.angle) + self.spec.extra_values
        return self._has_classes(rest)

    def _has_classes(self, count: int) -> bool:
        wanted = self._classes()
        if self.spec.objectness == "only":
            return count >= 0 if wanted is None else count in (0, wanted)
        return count > int(self.spec.background != "none") if wanted is None else count == wanted

    def _is_boxes(self, output: Array) -> bool:
        table = box_forms.table_of(output)
        return table is not None and table.shape[2 - self.spec.anchor_axis] == 4

    def _is_scores(self, output: Array) -> bool:
        table = box_forms.table_of(output)
        return table is not None and self._has_classes(table.shape[2 - self.spec.anchor_axis])

    def _agree(self, bound: Bound) -> bool:
        return len({len(self._rows(one)) for one in bound.values()}) == 1

    def _corners(self, boxes: Array) -> Array:
        return box_forms.corners_in_pixels(boxes, self.spec, self.profile.input)

    def _keypoints(self, values: Array) -> Array | None:
        points = self.spec.keypoints
        if points is None:
            return None
        spec, shape = self.spec, self.profile.input
        return box_forms.keypoints(values[:, : self._points()], points, spec, shape)
