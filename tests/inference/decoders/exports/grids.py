"""Exports that return heads of a grid: places relative to cells, priors or anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from .objects import CLASSES, HEIGHT, STRIDES, WIDTH, Returned, Thing, centre, logit


def yolox(things: Sequence[Thing]) -> Returned:
    """Boxes relative to cells: a thing is found by two neighbouring cells of its stride."""
    rows = []
    for level, stride in enumerate(STRIDES):
        for y in range(HEIGHT // stride):
            for x in range(WIDTH // stride):
                row = np.array([0.5, 0.5, 0, 0, 0.01, *[0.02] * CLASSES], np.float32)
                for thing in things:
                    cx, cy, w, h = centre(thing)
                    home = (int(cx / stride), int(cy / stride))
                    if level == 0 and (x - home[0], y - home[1]) in ((0, 0), (1, 0)):
                        score = thing.score * (1 if x == home[0] else 0.9)
                        row[:4] = [cx / stride - x, cy / stride - y,
                                   np.log(w / stride), np.log(h / stride)]  # fmt: skip
                        row[4], row[5 + thing.class_id] = 0.95, score / 0.95
                rows.append(row)
    return Returned([np.stack(rows)[None]], ("output",))


@dataclass(frozen=True)
class _Grid:
    """A head of a grid, part by part: each thing is in two neighbouring cells of the finest stride.

    ``point`` is that of a cell, ``per_cell`` the number of candidates of a cell, whose last finds
    it. ``values`` returns the values of parts for a thing that is found there.
    """

    values: Callable[[Thing, Any, float, float], dict[str, list[float]]]
    strides: tuple[int, ...] = STRIDES
    point: float = 0.0
    per_cell: int = 1

    def tables(self, things: Sequence[Thing], unused: dict[str, list[float]]) -> list[Any]:
        """Return for each stride the table [A,v] of each part."""
        levels = []
        for stride in self.strides:
            rows: list[dict[str, list[float]]] = []
            for y in range(-(-HEIGHT // stride)):
                for x in range(-(-WIDTH // stride)):
                    rows += [unused] * (self.per_cell - 1)
                    rows.append(self._cell(things, stride, x, y) or unused)
            levels.append({
                part: np.array([row[part] for row in rows], np.float32) for part in unused
            })  # fmt: skip
        return levels

    def _cell(self, things: Sequence[Thing], stride: int, x: int, y: int) -> Any:
        for thing in things if stride == self.strides[0] else ():
            home = np.floor(np.array(centre(thing)[:2]) / stride - self.point + 0.5)
            across = x - home[0]
            if across in (0, 1) and y == home[1]:
                place = np.array([x, y]) + self.point
                return self.values(thing, place, stride, 0.9 if across else 1.0)
        return None


def _scores(thing: Thing, factor: float) -> list[float]:
    return [thing.score * factor if k == thing.class_id else 0.02 for k in range(CLASSES)]


def _points(thing: Thing) -> Any:
    return np.array([point[:2] for point in thing.points or [(0.0, 0.0, 0.0)] * 5])


def _sides(thing: Thing, place: Any, stride: float) -> Any:
    """Return the distances of the sides from a point, in strides."""
    box = np.array(thing.box) / stride
    return np.concatenate([place - box[:2], box[2:] - place])


def _distribution(distance: float, bins: int = 8) -> list[float]:
    """Return logits of a distribution with this mean: all of it in the two bins around it."""
    low = min(int(distance), bins - 2)
    share = np.clip(distance - low, 1e-6, 1 - 1e-6)
    logits = np.full(bins, -30.0)
    logits[low : low + 2] = np.log([1 - share, share])
    return list(logits)


def _nano(point: float) -> _Grid:
    def values(thing: Thing, place: Any, stride: float, factor: float) -> dict[str, list[float]]:
        sides = _sides(thing, place, stride)
        box = [logit for side in sides for logit in _distribution(side)]
        return {"scores": _scores(thing, factor), "boxes": box}

    return _Grid(values, strides=(8, 16, 32, 64), point=point)


_NO_NANO = {"scores": [0.02] * CLASSES, "boxes": [0.0] * 32}


def picodet(things: Sequence[Thing]) -> Returned:
    levels = _nano(0.5).tables(things, _NO_NANO)
    return Returned([level[part][None] for part in ("scores", "boxes") for level in levels])


def nanodet(things: Sequence[Thing]) -> Returned:
    levels = _nano(0.0).tables(things, _NO_NANO)
    rows = [np.concatenate([level["scores"], level["boxes"]], axis=1) for level in levels]
    return Returned([np.concatenate(rows)[None]], ("output",))


def scrfd(things: Sequence[Thing]) -> Returned:
    def values(thing: Thing, place: Any, stride: float, factor: float) -> dict[str, Any]:
        points = (_points(thing) / stride - place).ravel()
        return {
            "scores": _scores(thing, factor), "boxes": _sides(thing, place, stride),
            "keypoints": points,
        }  # fmt: skip

    unused = {"scores": [0.02] * CLASSES, "boxes": [0.0] * 4, "keypoints": [0.0] * 10}
    levels = _Grid(values, per_cell=2).tables(things, unused)
    parts = ("scores", "boxes", "keypoints")
    names = [str(448 + index) for index in range(9)]
    return Returned([level[part] for part in parts for level in levels], tuple(names))


def yunet(things: Sequence[Thing]) -> Returned:
    def values(thing: Thing, place: Any, stride: float, factor: float) -> dict[str, Any]:
        cx, cy, w, h = centre(thing)
        box = [cx / stride - place[0], cy / stride - place[1], np.log(w / stride),
               np.log(h / stride)]  # fmt: skip
        scores = [thing.score**2 * factor**2 / 0.95 if k == thing.class_id else 0.02
                  for k in range(CLASSES)]  # fmt: skip
        points = (_points(thing) / stride - place).ravel()
        return {"cls": scores, "obj": [0.95], "bbox": box, "kps": points}

    unused = {"cls": [0.02] * CLASSES, "obj": [0.01], "bbox": [0.0] * 4, "kps": [0.0] * 10}
    levels = _Grid(values).tables(things, unused)
    named = {
        f"{part}_{stride}": level[part][None]
        for part in unused for stride, level in zip(STRIDES, levels)
    }  # fmt: skip
    return Returned(list(named.values()), tuple(named))


def retinaface(things: Sequence[Thing]) -> Returned:
    """Boxes and points relative to two square priors a cell, of which the second is used."""

    def values(thing: Thing, place: Any, stride: float, factor: float) -> dict[str, Any]:
        cx, cy, w, h = centre(thing)
        prior = 32.0
        offset = (np.array([cx, cy]) - place * stride) / prior / 0.1
        size = np.log(np.array([w, h]) / prior) / 0.2
        scores = _scores(thing, factor)
        points = (_points(thing) - place * stride) / prior / 0.1
        return {
            "boxes": [*offset, *size], "scores": [1 - sum(scores), *scores],
            "keypoints": points.ravel(),
        }  # fmt: skip

    unused = {
        "boxes": [0.0] * 4, "scores": [0.9, *[0.02] * CLASSES], "keypoints": [0.0] * 10,
    }  # fmt: skip
    levels = _Grid(values, point=0.5, per_cell=2).tables(things, unused)
    return Returned([np.concatenate([level[part] for level in levels])[None] for part in unused])


def centernet(*, face: bool) -> Callable[[Sequence[Thing]], Returned]:
    """Return a writer of maps of stride 4: scores, sizes, offsets, and points of a face."""

    def export(things: Sequence[Thing]) -> Returned:
        shape = (HEIGHT // 4, WIDTH // 4)
        scores = np.full((1, CLASSES, *shape), 0.02, np.float32)
        sizes, offsets = (np.zeros((1, 2, *shape), np.float32) for _ in range(2))
        points = np.zeros((1, 10, *shape), np.float32)
        for thing in things:
            cx, cy, w, h = centre(thing)
            x, y = int(cx / 4), int(cy / 4)
            scores[0, thing.class_id, y - 1 : y + 2, x] = thing.score * 0.9  # less than the peak
            scores[0, thing.class_id, y, x] = thing.score
            offset = np.array([cx / 4 - x, cy / 4 - y]) - (0.5 if face else 0)
            size = np.array([w, h]) / 4
            offsets[0, :, y, x] = offset[::-1] if face else offset
            sizes[0, :, y, x] = np.log(size)[::-1] if face else size
            inner = (_points(thing) - thing.box[:2]) / [w, h]
            points[0, :, y, x] = inner[:, ::-1].ravel()
        if face:
            return Returned([scores, sizes, offsets, points], ("537", "538", "539", "540"))
        return Returned([logit(scores).astype(np.float32), sizes, offsets], ("hm", "wh", "reg"))

    return export


V3_ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)

V7_ANCHORS = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)


def _anchored(things: Sequence[Thing], level: int, code: str) -> Any:
    """Return the head [3,h,w,5+C] of a stride, in logits; things are in the finest one."""
    stride = STRIDES[level]
    head = np.full((3, HEIGHT // stride, WIDTH // stride, 5 + CLASSES), -6, np.float32)
    for thing in things if level == 0 else ():
        cx, cy, w, h = centre(thing)
        x, y = int(cx / stride), int(cy / stride)
        anchor = np.array((V3_ANCHORS if code == "yolov3" else V7_ANCHORS)[0][1])
        inner, ratio = np.array([cx / stride - x, cy / stride - y]), np.array([w, h]) / anchor
        cell = head[1, y, x]
        if code == "yolov3":
            cell[:2], cell[2:4] = logit(np.clip(inner, 1e-6, 1 - 1e-6)), np.log(ratio)
        else:
            cell[:2], cell[2:4] = logit((inner + 0.5) / 2), logit(np.sqrt(ratio) / 2)
        cell[4], cell[5 + thing.class_id] = logit(0.95), logit(thing.score / 0.95)
    return head


def yolov3(things: Sequence[Thing]) -> Returned:
    """Three maps [1,3·(5+C),h,w], the coarsest first."""
    maps = []
    for level in (2, 1, 0):
        head = _anchored(things, level, "yolov3")
        maps.append(head.transpose(0, 3, 1, 2).reshape(1, -1, *head.shape[1:3]))
    return Returned(maps, ("82", "94", "106"))


def yolov3_channels_last(things: Sequence[Thing]) -> Returned:
    """Three maps [1,h,w,3·(5+C)], as TensorFlow has them."""
    heads = [_anchored(things, level, "yolov3") for level in (0, 1, 2)]
    return Returned([h.transpose(1, 2, 0, 3).reshape(1, *h.shape[1:3], -1) for h in heads])


def yolov7_raw(things: Sequence[Thing]) -> Returned:
    heads = [_anchored(things, level, "yolov5")[None] for level in (0, 1, 2)]
    return Returned(heads, ("output", "518", "532"))
