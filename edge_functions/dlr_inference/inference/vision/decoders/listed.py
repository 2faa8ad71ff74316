"""Final detections, which the model has chosen itself: in rows, or in an output for each part."""

from __future__ import annotations

import math

import numpy as np

from ...errors import ModelError, OutputError
from ..detections import Array, Detections, Outputs
from ..suppression import suppress
from . import boxes as box_forms
from .binding import Bound, Role
from .interface import Decoder


class _ListedDecoder(Decoder):
    """What both forms have in common: unused rows, the number of the first class, and the count."""

    _as_they_are = False
    """Whether any number of rows counts, also with a score of 0: so the two oldest kinds do it."""

    def _detections(
        self, ids: Array, scores: Array, boxes: Array, keypoints: Array | None = None
    ) -> Detections:
        """Return the rows that are used, best first; the arguments are parallel arrays.

        A row is unused if its class is below the first, or its score not above 0.
        """
        if ids.dtype.kind in "iu":
            ids = ids.astype(np.int64)
        ids = ids - self.spec.class_base
        unused = ids < 0 if self._as_they_are else (ids < 0) | (scores <= 0)
        used = np.flatnonzero(~unused)  # with NaN, so that it is noticed
        used = used[np.argsort(-scores[used], kind="stable")]
        if self.spec.iou_threshold < 1:
            used = used[np.isfinite(boxes[used]).all(axis=1) & (scores[used] >= self.threshold)]
            kept = suppress(
                boxes[used], scores[used], ids[used], self.spec.iou_threshold, len(used)
            )
            used = used[kept]
        if not self._as_they_are:
            self._check_scores(scores[used])
            used = used[: self.spec.max_detections]
        points = None if keypoints is None else keypoints[used]
        return Detections(ids[used], scores[used], boxes[used], points)

    def _check_scores(self, scores: Array) -> None:
        """Raise ``ModelError`` for scores above 1: class numbers or corners, most likely."""
        high = scores[np.isfinite(scores)].max(initial=0)
        if high > 1 + 1e-3:
            raise ModelError(
                f"profile {self.profile.name}: the scores go up to {high:.4g}, but a score is at "
                "most 1; correct output.columns or output.outputs"
            )

    def _corners(self, boxes: Array) -> Array:
        return box_forms.corners_in_pixels(boxes, self.spec, self.profile.input)

    def _used(self, bound: Bound, rows: int) -> int:
        """Return how many of the rows count, by the output ``count`` if there is one."""
        if "count" not in bound:
            return rows
        count = float(bound["count"].reshape(()))
        if math.isnan(count):
            raise OutputError(f"profile {self.profile.name}: the number of detections is NaN")
        return int(min(max(count, 0), rows))


class RowsDecoder(_ListedDecoder):
    """Reads one output with a row for each detection, whose columns the profile names."""

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        return f"one output [1,N,{self._width()}] of {', '.join(self.spec.columns)}"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        rows = Role("rows", self._is_table)
        return self.find(outputs, [[rows, Role("count", is_one, is_whole, optional=True)]])

    def decode(self, bound: Bound) -> Detections:
        """Return the detections in outputs that :meth:`bind` returned."""
        table = box_forms.table_of(bound["rows"])
        assert table is not None  # or it would not have been bound
        table = self.real(table[: self._used(bound, len(table))])
        columns = self._columns()
        boxes = self._corners(table[:, columns["box"] : columns["box"] + 4])
        if "angle" in columns:
            boxes = box_forms.upright(boxes, table[:, columns["angle"]])
        points = None
        if self.spec.keypoints is not None:
            values = table[:, columns["keypoints"] :][:, : math.prod(self.spec.keypoints)]
            shape = self.profile.input
            points = box_forms.keypoints(values, self.spec.keypoints, self.spec, shape)
        return self._detections(
            table[:, columns["class"]], table[:, columns["score"]], boxes, points
        )

    def _columns(self) -> dict[str, int]:
        starts: dict[str, int] = {}
        width = 0
        for word in self.spec.columns:
            starts[word] = width
            width += self._size(word)
        return starts

    def _size(self, word: str) -> int:
        if word == "keypoints":
            return math.prod(self.spec.keypoints or ())
        return 4 if word == "box" else 1

    def _width(self) -> int:
        return sum(self._size(word) for word in self.spec.columns)

    def _is_table(self, output: Array) -> bool:
        return box_forms.table_of(output, self._width()) is not None


class ListsDecoder(_ListedDecoder):
    """Reads boxes, scores and class numbers from outputs of their own, in any order.

    Boxes with five values have their score as the fifth.
    """

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        labels = "labels [1,N] that are whole numbers or named in output.outputs"
        return f"boxes [1,N,4], scores [1,N] and {labels}, or boxes with scores [1,N,5] and labels"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        more = [
            Role("count", is_one, is_whole, optional=True),
            Role("keypoints", _is_points, optional=True),
        ]
        labels = Role("labels", _is_list, is_whole)
        scores = Role("scores", _is_list, lambda output: not is_whole(output))
        four = Role("boxes", lambda output: box_forms.table_of(output, 4) is not None)
        five = Role("boxes", lambda output: box_forms.table_of(output, 5) is not None)
        return self.find(outputs, [[four, scores, labels, *more], [five, labels, *more]], _agree)

    def decode(self, bound: Bound) -> Detections:
        """Return the detections in outputs that :meth:`bind` returned."""
        boxes = box_forms.table_of(bound["boxes"])
        assert boxes is not None  # or it would not have been bound
        rows = self._used(bound, len(boxes))
        scores = self.real(bound["scores"].reshape(-1) if "scores" in bound else boxes[:, 4])
        points = bound.get("keypoints")
        if points is not None:
            size = (points.shape[-2], points.shape[-1])
            points = box_forms.keypoints(points, size, self.spec, self.profile.input)[:rows]
        return self._detections(
            bound["labels"].reshape(-1)[:rows],
            scores[:rows],
            self._corners(self.lengths(boxes[:rows, :4])),
            points,
        )


class GluonCvDecoder(ListsDecoder):
    """Reads the three outputs of GluonCV's detectors, in their order."""

    _as_they_are = True

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        return "three outputs [1,N,1], [1,N,1] and [1,N,4]"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        shapes = [tuple(output.shape) for output in outputs]
        rows = shapes[0][1] if shapes and len(shapes[0]) == 3 else 0
        if shapes != [(1, rows, 1), (1, rows, 1), (1, rows, 4)]:
            raise self.unfit(outputs)
        return dict(zip(("labels", "scores", "boxes"), outputs))


class SageMakerDecoder(RowsDecoder):
    """Reads the one output of SageMaker's object detection."""

    _as_they_are = True

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        return "one output [1,N,6]"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        if len(outputs) != 1 or outputs[0].ndim != 3 or not self._is_table(outputs[0]):
            raise self.unfit(outputs)
        return {"rows": outputs[0]}


def is_one(output: Array) -> bool:
    """Tell whether an output is a single number."""
    return int(output.size) == 1


def is_whole(output: Array) -> bool:
    """Tell whether an output has whole numbers."""
    return bool(np.issubdtype(output.dtype, np.integer))


def _is_list(output: Array) -> bool:
    """Tell whether an output is [N], [1,N] or [1,N,1], also for N = 0."""
    return bool(sum(extent != 1 for extent in output.shape) <= 1)


def _is_points(output: Array) -> bool:
    return output.ndim in (3, 4) and output.shape[-1] == 3 and output.shape[:-3] in ((), (1,))


def _agree(bound: Bound) -> bool:
    table = box_forms.table_of(bound["boxes"])
    if table is None or any(
        bound[r].size != len(table) for r in ("labels", "scores") if r in bound
    ):
        return False
    return "keypoints" not in bound or bound["keypoints"].shape[-3] == len(table)
