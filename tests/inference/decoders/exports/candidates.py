"""Exports that return every candidate: rows of one tensor, or boxes and scores apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import numpy as np

from .objects import CLASSES, HEIGHT, STRIDES, WIDTH, Returned, Thing, centre, corners, logit


@dataclass
class _Table:
    """Candidates in random places among much background."""

    things: Sequence[Thing]
    count: int
    repeats: int = 2
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = np.random.default_rng(3)
        wanted = len(self.things) * self.repeats
        self.rows = [int(row) for row in generator.permutation(self.count)[:wanted]]

    def __iter__(self) -> Any:
        """Yield row, thing, and a factor of its score: repeats are a little less certain."""
        for index, row in enumerate(self.rows):
            thing = self.things[index % len(self.things)]
            yield row, thing, 1.0 if index < len(self.things) else 0.9


def _dense(things: Sequence[Thing], *, objectness: bool, more: int = 0, repeats: int = 2) -> Any:
    """Return [A,4+(1)+C+more] of centre boxes in pixels and probabilities."""
    count = sum((WIDTH // s) * (HEIGHT // s) for s in STRIDES) * (3 if objectness else 1)
    start = 5 if objectness else 4
    rows = np.zeros((count, start + CLASSES + more), np.float32)
    rows[:, :4] = [5, 5, 3, 3]
    rows[:, 4:start] = 0.01
    rows[:, start : start + CLASSES] = 0.02
    for row, thing, factor in _Table(things, count, repeats):
        rows[row, :4] = centre(thing)
        rows[row, 4:start] = 0.95
        score = thing.score * factor / (0.95 if objectness else 1)
        rows[row, start + thing.class_id] = score
        if thing.points:
            rows[row, start + CLASSES : start + CLASSES + 51] = np.ravel(thing.points)
    return rows


def v5(things: Sequence[Thing]) -> Returned:
    return Returned([_dense(things, objectness=True)[None]], ("output0",))


def v8(things: Sequence[Thing]) -> Returned:
    return Returned([_dense(things, objectness=False).T[None].copy()], ("output0",))


def v8_with(more: int) -> Callable[[Sequence[Thing]], Returned]:
    def export(things: Sequence[Thing]) -> Returned:
        rows = _dense(things, objectness=False, more=more).T[None].copy()
        protos = [np.zeros((1, 32, HEIGHT // 4, WIDTH // 4), np.float32)] if more == 32 else []
        return Returned([rows, *protos], ("output0", "output1")[: 1 + len(protos)])

    return export


def v9(things: Sequence[Thing]) -> Returned:
    auxiliary = np.full_like(v8(things).outputs[0], 0.9)  # what must not be read
    return Returned([auxiliary, v8(things).outputs[0]], ("output0", "output1"))


def queries(
    names: tuple[str, str], *, softmax: bool, boxes_first: bool = False
) -> Callable[[Sequence[Thing]], Returned]:
    def export(things: Sequence[Thing]) -> Returned:
        count = 30
        logits = np.full((1, count, CLASSES + softmax), -6, np.float32)
        if softmax:
            logits[..., -1] = 6
        boxes = np.full((1, count, 4), 0.5, np.float32)
        for row, thing, _ in _Table(things, count, repeats=1):
            boxes[0, row] = centre(thing, "fractions")
            logits[0, row] = -30 if softmax else -6
            logits[0, row, thing.class_id] = logit(thing.score)
            if softmax:
                logits[0, row, -1] = 0
        outputs = [boxes, logits] if boxes_first else [logits, boxes]
        return Returned(outputs, names)

    return export


def separate(
    *, activation: str, background: str = "none", units: str = "pixels", order: str = "xyxy",
    names: tuple[str, ...] = (),
) -> Callable[[Sequence[Thing]], Returned]:  # fmt: skip
    """Return a writer of boxes [1,A,4] and scores [1,A,C], with the background if there is one."""

    def export(things: Sequence[Thing]) -> Returned:
        count, first = 250, int(background == "first")
        scores = np.full((1, count, CLASSES + first), 0.01, np.float32)
        boxes = np.full((1, count, 4), 0.5, np.float32)
        scores[..., 0] = 0.96 if first else 0.01
        for row, thing, factor in _Table(things, count):
            boxes[0, row] = corners(thing, units, order)
            rest = (1 - thing.score * factor) / (CLASSES + first - 1)
            scores[0, row] = rest if activation == "softmax" else 0.01
            scores[0, row, thing.class_id + first] = thing.score * factor
        if activation == "softmax":
            scores = np.log(scores) + 3
        elif activation == "sigmoid":
            scores = logit(scores)
        return Returned([boxes, scores.astype(np.float32)], names)

    return export


def ppyoloe_raw(things: Sequence[Thing]) -> Returned:
    rows = _dense(things, objectness=False)
    middle, size = rows[:, :2].copy(), rows[:, 2:4].copy()
    rows[:, :2], rows[:, 2:4] = middle - size / 2, middle + size / 2
    return Returned([rows[None]])


def damo_yolo(things: Sequence[Thing]) -> Returned:
    """Scores, then boxes."""
    return Returned(separate(activation="probabilities")(things).outputs[::-1])
