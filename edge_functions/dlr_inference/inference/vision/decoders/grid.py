"""Raw heads whose boxes are relative to the cells of a grid, in one output or in several."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence

import numpy as np

from ...model.profiles.profile import ModelProfile
from ..detections import Array, Detections, Outputs
from . import boxes as box_forms
from .binding import Binding, Bound, Role, UnboundError
from .candidates import candidates, finished, least
from .cells import Cells, gathered, peaks
from .interface import Decoder

_Heads = Dict[str, List[Array]]
"""By part, such as ``boxes``: [anchors,cells,values] for each stride."""


class GridDecoder(Decoder):
    """Reads [box, objectness, classes, keypoints] of each candidate from ``rows``, or each part
    from an output of its own. Either has an output for each stride, or one of all."""

    def __init__(self, profile: ModelProfile, names: Sequence[str], threshold: float) -> None:
        """See :class:`Decoder`."""
        super().__init__(profile, names, threshold)
        self._cells = Cells(profile)
        self._whole = self._binding_of("")
        self._levels = [self._binding_of(str(stride)) for stride in self.spec.strides]
        self._is_whole: bool | None = None

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        cells, per_cell = self._cells, self._cells.per_cell
        if self.spec.separate_scores:
            sizes = {part: self._width(part) for part in self._parts()}
            listed = ", ".join(f"{p} [1,n,{'C' if v is None else v}]" for p, v in sizes.items())
            counts = ", ".join(str(w * h * per_cell) for w, h in cells.grids)
            return f"{listed} for each stride, n = {counts}, or of all, n = {cells.count}"
        values = self._width("rows")
        size = f"C+{self._others()}" if values is None else str(values)
        maps = [
            f"[1,{f'{per_cell}·({size})' if values is None else per_cell * values},{h},{w}]"
            for w, h in cells.grids
        ]
        whole = f"one output [1,{cells.count},{size}]"
        return f"{whole}, or an output for each stride: {', '.join(maps)}"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        reason = ""
        if self._is_whole is not False:
            try:
                bound = self._whole.find(outputs, [self._roles(None)], None)
                self._is_whole = True
                return bound
            except UnboundError as error:
                reason = str(error)
                if self._is_whole:
                    raise self.unfit(outputs, reason) from None
        bound = {}
        for level, stride in enumerate(self.spec.strides):
            try:
                found = self._levels[level].find(outputs, [self._roles(level)], None)
            except UnboundError as error:
                raise self.unfit(outputs, str(error) or reason) from None
            bound.update({f"{part}{stride}": output for part, output in found.items()})
        if not self._have_one_width(bound):
            raise self.unfit(outputs)
        self._is_whole = False
        return bound

    def decode(self, bound: Bound) -> Detections:
        """Return the detections in outputs that :meth:`bind` returned."""
        heads = self._heads(bound)
        if self._cells.has_peaks:
            heads["scores"] = self._peaks(heads["scores"])
        rows, objectness = np.arange(self._cells.count), None
        if "objectness" in heads:
            objectness = np.concatenate([head.reshape(-1) for head in heads["objectness"]])
            if self.spec.objectness != "geometric":
                rows = np.flatnonzero(~(objectness < least(self)))  # with NaN, so it is noticed
                objectness = objectness[rows]
        if len(rows) == self._cells.count:
            scores = np.concatenate([h.reshape(-1, h.shape[2]) for h in heads["scores"]])
        else:
            scores = gathered(heads["scores"], rows)
        if objectness is not None and self.spec.objectness == "geometric":
            scores, objectness = self._geometric(scores, objectness), None
        found = candidates(self, scores, objectness)
        chosen = rows[found.rows]
        codes = [gathered(heads[part], chosen) for part in self._cells.box_parts]
        boxes = self._cells.corners(np.concatenate(codes, axis=1), chosen)
        points = None
        if "keypoints" in heads and self.spec.keypoints is not None:
            values = gathered(heads["keypoints"], chosen)
            values = self._cells.keypoints(values, chosen, self.spec.keypoints[1], boxes)
            points = box_forms.keypoints(values, self.spec.keypoints, self.spec, self.profile.input)
        return finished(self, found, boxes, points)

    def _peaks(self, heads: Sequence[Array]) -> list[Array]:
        nothing = 0.0 if self.spec.activation == "probabilities" else -np.inf
        return [
            peaks(head, width, height, nothing)
            for head, (width, height) in zip(heads, self._cells.grids)
        ]

    def _geometric(self, scores: Array, objectness: Array) -> Array:
        for values in (scores, objectness):
            self.require_probabilities(
                values, "output.objectness geometric needs 0 to 1: export it with its sigmoid"
            )
        product = np.clip(scores, 0, 1) * np.clip(objectness, 0, 1)[:, None]
        return np.sqrt(product)

    def _parts(self) -> list[str]:
        """Return the parts that have outputs of their own, in the order of ``rows``."""
        if not self.spec.separate_scores:
            return ["rows"]
        parts = ["scores", *self._cells.box_parts]
        parts += ["objectness"] if self.spec.objectness != "none" else []
        return parts + (["keypoints"] if self.spec.keypoints is not None else [])

    def _binding_of(self, suffix: str) -> Binding:
        """Return the binding of the outputs of a stride, whose roles end in it, or of all."""
        roles = {part + suffix: part for part in self._parts()}
        given = tuple((roles[role], name) for role, name in self.spec.outputs if role in roles)
        return Binding(replace(self.spec, outputs=given), self._names)

    def _roles(self, level: int | None) -> list[Role]:
        return [
            Role(
                part,
                lambda output, part=part: self._head(output, part, level) is not None,  # type: ignore[misc]
                optional=part == "keypoints",
            )
            for part in self._parts()
        ]

    def _head(self, output: Array, part: str, level: int | None) -> Array | None:
        """Return an output as [anchors,cells,values], or None if it is no such part.

        It is a table [A,v] or [1,A,v], or the map [1,a·v,h,w], [1,h,w,a·v], [1,a,h,w,v] or
        [1,a,v,h,w] of a stride. That of all strides is returned as one anchor of all candidates.
        """
        table, cells = box_forms.table_of(output), self._cells
        found: Array | None = None
        if level is None:
            found = table[None] if table is not None and len(table) == cells.count else None
        else:
            width, height = cells.grids[level]
            if output.shape[:1] == (1,):
                found = self._map(output, width, height)
            count = width * height * cells.per_cell
            if found is None and table is not None and len(table) == count:
                found = cells.head_of(table)
        return found if found is not None and self._fits(part, found.shape[2]) else None

    def _map(self, output: Array, width: int, height: int) -> Array | None:
        per_cell, shape = self._cells.per_cell, output.shape
        cells = width * height
        if len(shape) == 4 and shape[2:] == (height, width) and shape[1] % per_cell == 0:
            return output.reshape(per_cell, -1, cells).transpose(0, 2, 1)
        if len(shape) == 4 and shape[1:3] == (height, width) and shape[3] % per_cell == 0:
            return output.reshape(cells, per_cell, -1).transpose(1, 0, 2)
        if len(shape) == 5 and shape[1:4] == (per_cell, height, width):
            return output.reshape(per_cell, cells, -1)
        if len(shape) == 5 and shape[1:2] + shape[3:] == (per_cell, height, width):
            return output.reshape(per_cell, -1, cells).transpose(0, 2, 1)
        return None

    def _heads(self, bound: Bound) -> _Heads:
        parts: _Heads = {}
        for part in self._parts():
            if self._is_whole and part in bound:
                table = box_forms.table_of(self._numbers(part, bound[part]))
                assert table is not None  # or it would not have been bound
                parts[part] = self._cells.split(table)
            elif f"{part}{self.spec.strides[0]}" in bound:
                numbers = [self._numbers(part, bound[f"{part}{s}"]) for s in self.spec.strides]
                heads = [self._head(one, part, level) for level, one in enumerate(numbers)]
                parts[part] = [head for head in heads if head is not None]
        return self._taken_apart(parts["rows"]) if "rows" in parts else parts

    def _numbers(self, part: str, output: Array) -> Array:
        """Return an output as float32."""
        if part == "keypoints" or part in self._cells.box_parts:
            return self.lengths(output).astype(np.float32, copy=False)
        return self.real(output)

    def _taken_apart(self, heads: Sequence[Array]) -> _Heads:
        """Return views of the parts of whole rows."""
        total, points = heads[0].shape[2], self._points()
        box, objectness = self._cells.box_parts["boxes"], int(self.spec.objectness != "none")
        sizes = [("boxes", box), ("objectness", objectness)]
        sizes.append(("scores", total - box - objectness - points))
        if self.spec.scores_first:
            sizes = sizes[2:] + sizes[:2]
        parts: _Heads = {}
        start = 0
        for part, size in [*sizes, ("keypoints", points)]:
            if size:
                parts[part] = [head[..., start : start + size] for head in heads]
            start += size
        return parts

    def _fits(self, part: str, values: int) -> bool:
        wanted = self._width(part)
        if wanted is not None:
            return values == wanted
        if part == "scores":  # of as many classes as nobody knows
            others = (*self._cells.box_parts.values(), self._points())
            return values > int(self.spec.background != "none") and values not in others
        return values > self._others()

    def _width(self, part: str) -> int | None:
        """Return how many values a part has; None if nobody knows the classes."""
        known = {**self._cells.box_parts, "objectness": 1, "keypoints": self._points()}
        if part in known:
            return known[part]
        labels = self.profile.labels
        if labels is None:
            return None
        classes = len(labels) + int(self.spec.background != "none")
        return classes if part == "scores" else classes + self._others()

    def _others(self) -> int:
        """Return how many values of a row are not classes."""
        return (
            sum(self._cells.box_parts.values())
            + int(self.spec.objectness != "none")
            + self._points()
        )

    def _points(self) -> int:
        points = self.spec.keypoints
        return 0 if points is None else points[0] * points[1]

    def _have_one_width(self, bound: Bound) -> bool:
        """Tell whether all strides have as many classes, and keypoints if one has."""
        for part in self._parts():
            heads = [
                self._head(bound[f"{part}{stride}"], part, level)
                for level, stride in enumerate(self.spec.strides)
                if f"{part}{stride}" in bound
            ]
            widths = {head.shape[2] for head in heads if head is not None}
            if len(widths) > 1 or len(heads) not in (0, len(self.spec.strides)):
                return False
        return True
