"""The outputs of each family's own export, written by hand around known objects.

They follow the families' descriptions of their outputs, and share no code with the decoders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import numpy as np

WIDTH, HEIGHT = 96, 64
"""The input: its sides differ, so that an exchange of them is noticed."""

CLASSES = 5
LABELS = "".join(f"{name}\n" for name in ("ant", "bee", "cat", "dog", "elk"))

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Thing:
    """An object in input pixels: its class from 0, score, corners, and keypoints if it has any."""

    class_id: int
    score: float
    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Returned:
    """What a model returned: outputs, and their names where the family's export gives any."""

    outputs: list[Any]
    names: tuple[str, ...] = ()


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


def logit(probability: Any) -> Any:
    return np.log(probability) - np.log1p(-np.asarray(probability))


def _centre(thing: Thing, units: str = "pixels") -> list[float]:
    x1, y1, x2, y2 = thing.box
    form = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    return list(np.array(form) / ([WIDTH, HEIGHT] * 2)) if units == "fractions" else form


def _corners(thing: Thing, units: str = "pixels", order: str = "xyxy") -> list[float]:
    form = list(thing.box)
    if units == "fractions":
        form = list(np.array(form) / ([WIDTH, HEIGHT] * 2))
    return [form[1], form[0], form[3], form[2]] if order == "yxyx" else form


def _dense(things: Sequence[Thing], *, objectness: bool, more: int = 0, repeats: int = 2) -> Any:
    """Return [A,4+(1)+C+more] of centre boxes in pixels and probabilities."""
    count = sum((WIDTH // s) * (HEIGHT // s) for s in STRIDES) * (3 if objectness else 1)
    start = 5 if objectness else 4
    rows = np.zeros((count, start + CLASSES + more), np.float32)
    rows[:, :4] = [5, 5, 3, 3]
    rows[:, 4:start] = 0.01
    rows[:, start : start + CLASSES] = 0.02
    for row, thing, factor in _Table(things, count, repeats):
        rows[row, :4] = _centre(thing)
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


def end_to_end(things: Sequence[Thing], more: int = 0) -> Returned:
    rows = np.zeros((1, 12, 6 + more), np.float32)
    rows[0, :, 4] = 0.001
    for row, thing in enumerate(things):
        points = list(np.ravel(thing.points)) if thing.points else [7.0] * more
        rows[0, row] = [*_corners(thing), thing.score, thing.class_id, *points]
    return Returned([rows], ("output0",))


def ultralytics_rtdetr(things: Sequence[Thing]) -> Returned:
    rows = np.zeros((1, 12, 6), np.float32)
    for row, thing in enumerate(things):
        rows[0, row] = [*_centre(thing, "fractions"), thing.score, thing.class_id]
    return Returned([rows], ("output0",))


def batch_rows(*columns: str, units: str = "pixels", base: int = 0) -> Callable[..., Returned]:
    """Return a writer of [N,k] whose columns are these words."""

    def export(things: Sequence[Thing]) -> Returned:
        table = []
        for thing in things:
            parts: dict[str, list[float]] = {
                "image": [0.0],
                "box": _corners(thing, units),
                "score": [thing.score],
                "class": [float(thing.class_id + base)],
            }
            table.append([value for word in columns for value in parts[word]])
        rows = np.array(table, np.float32).reshape(len(table), 3 + len(columns))
        return Returned([rows], ("output",))

    return export


def ppyoloe(things: Sequence[Thing]) -> Returned:
    [rows] = batch_rows("class", "score", "box")(things).outputs
    unused = np.full((2, 6), -1, np.float32)
    return Returned([np.concatenate([rows, unused]), np.array([len(rows)], np.int32)])


def sagemaker(things: Sequence[Thing]) -> Returned:
    [rows] = batch_rows("class", "score", "box", units="fractions")(things).outputs
    return Returned([np.concatenate([rows, np.full((4, 6), -1, np.float32)])[None]])


def caffe(things: Sequence[Thing]) -> Returned:
    columns = ("image", "class", "score", "box")
    [rows] = batch_rows(*columns, units="fractions", base=1)(things).outputs
    return Returned([rows[None, None]], ("detection_out",))


def effdet(things: Sequence[Thing]) -> Returned:
    [rows] = batch_rows("box", "score", "class", base=1)(things).outputs
    return Returned([np.concatenate([rows, np.zeros((5, 6), np.float32)])[None]])


def yolox(things: Sequence[Thing]) -> Returned:
    """Boxes relative to cells: a thing is found by two neighbouring cells of its stride."""
    rows = []
    for level, stride in enumerate(STRIDES):
        for y in range(HEIGHT // stride):
            for x in range(WIDTH // stride):
                row = np.array([0.5, 0.5, 0, 0, 0.01, *[0.02] * CLASSES], np.float32)
                for thing in things:
                    cx, cy, w, h = _centre(thing)
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
            home = np.floor(np.array(_centre(thing)[:2]) / stride - self.point + 0.5)
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
        cx, cy, w, h = _centre(thing)
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
        cx, cy, w, h = _centre(thing)
        prior = 32.0
        centre = (np.array([cx, cy]) - place * stride) / prior / 0.1
        size = np.log(np.array([w, h]) / prior) / 0.2
        scores = _scores(thing, factor)
        points = (_points(thing) - place * stride) / prior / 0.1
        return {
            "boxes": [*centre, *size], "scores": [1 - sum(scores), *scores],
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
            cx, cy, w, h = _centre(thing)
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
        cx, cy, w, h = _centre(thing)
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
            boxes[0, row] = _centre(thing, "fractions")
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
            boxes[0, row] = _corners(thing, units, order)
            rest = (1 - thing.score * factor) / (CLASSES + first - 1)
            scores[0, row] = rest if activation == "softmax" else 0.01
            scores[0, row, thing.class_id + first] = thing.score * factor
        if activation == "softmax":
            scores = np.log(scores) + 3
        elif activation == "sigmoid":
            scores = logit(scores)
        return Returned([boxes, scores.astype(np.float32)], names)

    return export


def torchvision(things: Sequence[Thing]) -> Returned:
    boxes = np.array([_corners(thing) for thing in things], np.float32).reshape(-1, 4)
    scores = np.array([thing.score for thing in things], np.float32)
    labels = np.array([thing.class_id + 1 for thing in things], np.int64)
    return Returned([boxes, scores, labels], ("1234", "1235", "1250"))


def mask_rcnn(things: Sequence[Thing]) -> Returned:
    boxes, scores, labels = torchvision(things).outputs
    masks = np.zeros((len(things), 1, HEIGHT, WIDTH), np.float32)
    return Returned([boxes, labels, scores, masks], ("6568", "6570", "6572", "6887"))


def tensorflow(things: Sequence[Thing]) -> Returned:
    rows = 10
    boxes, classes = np.zeros((1, rows, 4), np.float32), np.ones((1, rows), np.float32)
    scores = np.full((1, rows), 0.99, np.float32)  # beyond the count: not to be read
    for row, thing in enumerate(things):
        boxes[0, row] = _corners(thing, "fractions", "yxyx")
        classes[0, row], scores[0, row] = thing.class_id + 1, thing.score
    every = {
        "detection_anchor_indices": np.zeros((1, rows), np.float32),
        "detection_boxes": boxes,
        "detection_classes": classes,
        "detection_multiclass_scores": np.zeros((1, rows, CLASSES + 1), np.float32),
        "detection_scores": scores,
        "num_detections": np.array([len(things)], np.float32),
        "raw_detection_boxes": np.zeros((1, 200, 4), np.float32),
        "raw_detection_scores": np.zeros((1, 200, CLASSES + 1), np.float32),
    }
    return Returned(list(every.values()), tuple(every))


def yolo_nas(things: Sequence[Thing]) -> Returned:
    rows = 20
    boxes, scores = np.zeros((1, rows, 4), np.float32), np.zeros((1, rows), np.float32)
    classes = np.full((1, rows), -1, np.int64)
    for row, thing in enumerate(things):
        boxes[0, row] = _corners(thing)
        scores[0, row], classes[0, row] = thing.score, thing.class_id
    outputs = [np.array([[len(things)]], np.int64), boxes, scores, classes]
    return Returned(outputs, ("num_predictions", "pred_boxes", "pred_scores", "pred_classes"))


def mmdeploy(things: Sequence[Thing]) -> Returned:
    rows = np.array([[*_corners(thing), thing.score] for thing in things], np.float32)
    labels = np.array([thing.class_id for thing in things], np.int64)
    rows = np.concatenate([rows.reshape(-1, 5), np.zeros((3, 5), np.float32)])
    labels = np.concatenate([labels, np.zeros(3, np.int64)])
    return Returned([rows[None], labels[None]], ("dets", "labels"))


def gluoncv(things: Sequence[Thing]) -> Returned:
    table = np.full((1, 20, 6), -1, np.float32)
    for row, thing in enumerate(things):
        table[0, row] = [thing.class_id, thing.score, *_corners(thing)]
    return Returned([table[..., :1], table[..., 1:2], table[..., 2:]])


HF = ("logits", "pred_boxes")

FAMILIES: dict[str, Callable[[Sequence[Thing]], Returned]] = {
    "yolov3": yolov3,
    "yolov5": v5,
    "yolov6": v5,
    "yolov7": v5,
    "yolov7-raw": yolov7_raw,
    "yolov7-end2end": batch_rows("image", "box", "class", "score"),
    "yolov8": v8,
    "yolov9": v9,
    "yolov10": v8,
    "yolo11": v8,
    "yolo12": v8,
    "yolo26": v8,
    "yolo-end2end": end_to_end,
    "yolo-nms": end_to_end,
    "yolo-pose": v8_with(51),
    "yolo-pose-end2end": lambda things: end_to_end(things, 51),
    "yolo-seg": v8_with(32),
    "yolo-seg-end2end": lambda things: end_to_end(things, 32),
    "yolo-obb": v8_with(1),
    "yolox": yolox,
    "yolox-decoded": v5,
    "yolo-nas": yolo_nas,
    "yolo-nas-flat": batch_rows("image", "box", "score", "class"),
    "yolo-nas-raw": separate(activation="probabilities"),
    "rtdetr": queries(HF, softmax=False),
    "rtdetr-ultralytics": ultralytics_rtdetr,
    "dfine": queries(HF, softmax=False),
    "rfdetr": queries(("dets", "labels"), softmax=False, boxes_first=True),
    "detr": queries(HF, softmax=True),
    "yolos": queries(HF, softmax=True),
    "torchvision-ssd": torchvision,
    "torchvision-retinanet": torchvision,
    "torchvision-fcos": torchvision,
    "torchvision-faster-rcnn": mask_rcnn,
    "torchvision-ssd-raw": separate(activation="softmax", background="first"),
    "torchvision-retinanet-raw": separate(activation="sigmoid"),
    "tf-detection": tensorflow,
    "tf-ssd": separate(
        activation="probabilities", background="first", units="fractions", order="yxyx",
        names=("raw_detection_boxes", "raw_detection_scores"),
    ),
    "efficientdet": effdet,
    "ppyoloe": ppyoloe,
    "ppyoloe-raw": lambda things: Returned(
        [_with_corners(_dense(things, objectness=False))[None]]
    ),
    "damo-yolo": lambda things: Returned(
        separate(activation="probabilities")(things).outputs[::-1]
    ),
    "rtmdet": mmdeploy,
    "picodet": picodet,
    "nanodet": nanodet,
    "centernet": centernet(face=False),
    "centerface": centernet(face=True),
    "scrfd": scrfd,
    "yunet": yunet,
    "retinaface": retinaface,
    "ultraface": separate(
        activation="probabilities", background="first", units="fractions",
        names=("boxes", "scores"),
    ),
    "gluoncv-ssd": gluoncv,
    "sagemaker-ssd": sagemaker,
    "caffe-ssd": caffe,
}  # fmt: skip
"""A writer for each preset that has boxes."""

POINTED = {
    "yolo-pose": 17, "yolo-pose-end2end": 17,
    "scrfd": 5, "yunet": 5, "retinaface": 5, "centerface": 5,
}  # fmt: skip
"""How many keypoints an object has, by preset; those of the others have none."""


def _with_corners(rows: Any) -> Any:
    centre, size = rows[:, :2].copy(), rows[:, 2:4].copy()
    rows[:, :2], rows[:, 2:4] = centre - size / 2, centre + size / 2
    return rows
