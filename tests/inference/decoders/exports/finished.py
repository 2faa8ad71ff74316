"""Exports that return what was found: a list of objects, ended by its length or by padding."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from .objects import CLASSES, HEIGHT, WIDTH, Returned, Thing, centre, corners


def end_to_end(things: Sequence[Thing], more: int = 0) -> Returned:
    rows = np.zeros((1, 12, 6 + more), np.float32)
    rows[0, :, 4] = 0.001
    for row, thing in enumerate(things):
        points = list(np.ravel(thing.points)) if thing.points else [7.0] * more
        rows[0, row] = [*corners(thing), thing.score, thing.class_id, *points]
    return Returned([rows], ("output0",))


def ultralytics_rtdetr(things: Sequence[Thing]) -> Returned:
    rows = np.zeros((1, 12, 6), np.float32)
    for row, thing in enumerate(things):
        rows[0, row] = [*centre(thing, "fractions"), thing.score, thing.class_id]
    return Returned([rows], ("output0",))


def deployed_rtdetr(things: Sequence[Thing]) -> Returned:
    rows = 12
    boxes, scores = np.zeros((1, rows, 4), np.float32), np.full((1, rows), 0.001, np.float32)
    labels = np.zeros((1, rows), np.int64)
    for row, thing in enumerate(things):
        boxes[0, row] = corners(thing)
        scores[0, row], labels[0, row] = thing.score, thing.class_id
    return Returned([labels, boxes, scores], ("labels", "boxes", "scores"))


def batch_rows(*columns: str, units: str = "pixels", base: int = 0) -> Callable[..., Returned]:
    """Return a writer of [N,k] whose columns are these words."""

    def export(things: Sequence[Thing]) -> Returned:
        table = []
        for thing in things:
            parts: dict[str, list[float]] = {
                "image": [0.0],
                "box": corners(thing, units),
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


def torchvision(things: Sequence[Thing]) -> Returned:
    boxes = np.array([corners(thing) for thing in things], np.float32).reshape(-1, 4)
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
        boxes[0, row] = corners(thing, "fractions", "yxyx")
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
        boxes[0, row] = corners(thing)
        scores[0, row], classes[0, row] = thing.score, thing.class_id
    outputs = [np.array([[len(things)]], np.int64), boxes, scores, classes]
    return Returned(outputs, ("num_predictions", "pred_boxes", "pred_scores", "pred_classes"))


def mmdeploy(things: Sequence[Thing]) -> Returned:
    rows = np.array([[*corners(thing), thing.score] for thing in things], np.float32)
    labels = np.array([thing.class_id for thing in things], np.int64)
    rows = np.concatenate([rows.reshape(-1, 5), np.zeros((3, 5), np.float32)])
    labels = np.concatenate([labels, np.zeros(3, np.int64)])
    return Returned([rows[None], labels[None]], ("dets", "labels"))


def gluoncv(things: Sequence[Thing]) -> Returned:
    table = np.full((1, 20, 6), -1, np.float32)
    for row, thing in enumerate(things):
        table[0, row] = [thing.class_id, thing.score, *corners(thing)]
    return Returned([table[..., :1], table[..., 1:2], table[..., 2:]])
