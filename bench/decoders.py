"""The cost of decoding a raw head: our postprocessor against the least that NumPy needs.

Usage: ``python -m bench.decoders PAIRS``; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import cv2
import numpy as np

from bench.statistics import interleaved, ratio
from inference.model.profile import ModelProfile, load_profile
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor

ANCHORS = (100, 1000, 8400, 25200)
CLASSES = 80
SHARES = (0.01, 0.1)
"""Shares of the anchors above the threshold: a usual picture, and a crowd."""
THRESHOLD = 0.25
IOU = 0.45


def main() -> None:
    """Measure both layouts of YOLO for each number of anchors, and print the results."""
    pairs = int(sys.argv[1])
    results: dict[str, Any] = {}
    for preset in ("yolo11", "yolov5"):
        for anchors in ANCHORS:
            for share in SHARES:
                key = f"{preset}, {anchors} anchors, {share:.0%} above the threshold"
                results[key] = measured(preset, anchors, share, pairs)
    json.dump(results, sys.stdout)


def measured(preset: str, anchors: int, share: float, pairs: int) -> dict[str, Any]:
    """Return milliseconds per frame, and the ratio to the least."""
    head = head_of(preset, anchors, share)
    block = max(2, 20_000 // anchors)
    timed = interleaved(ours(preset, head), least(preset, head), pairs=pairs, block=block)
    milliseconds = sorted(first for first, _ in timed)[len(timed) // 2] * 1e3
    return {"ms_a_frame": round(milliseconds, 3), "over_numpy": asdict(ratio(timed))}


def head_of(preset: str, anchors: int, share: float) -> Any:
    """Return a head whose candidates lie around a few objects, as a trained model's do."""
    generator = np.random.default_rng(1)
    rows = np.zeros((anchors, 4 + CLASSES), np.float32)
    objects = generator.random((12, 4)) * [500, 500, 100, 100] + 60
    near = generator.integers(0, len(objects), anchors)
    rows[:, :4] = objects[near] + generator.normal(0, 4, (anchors, 4))
    rows[:, 4:] = generator.random((anchors, CLASSES)) * 0.05
    above = generator.random(anchors) < share
    rows[above, 4 + near[above]] = generator.uniform(0.3, 0.95, int(above.sum()))
    if preset == "yolov5":
        objectness = np.where(above, 0.99, 0.01).astype(np.float32)
        return np.concatenate([rows[:, :4], objectness[:, None], rows[:, 4:]], axis=1)[None]
    return rows.T[None].copy()


def profile_of(preset: str) -> ModelProfile:
    """Return the built-in profile, with the thresholds of this measurement."""
    profile = load_profile(f"{preset}-coco")
    return replace(profile, output=replace(profile.output, iou_threshold=IOU))


def ours(preset: str, head: Any) -> Callable[[], object]:
    """Return a function from the head to predictions, with all checks."""
    profile = profile_of(preset)
    postprocess = Postprocessor(profile, confidence_threshold=THRESHOLD)
    fitted = fit(profile.input, 1280, 720)
    return lambda: postprocess([head], fitted)


def least(preset: str, head: Any) -> Callable[[], object]:
    """Return a function that only chooses, converts and suppresses: no checks, no predictions.

    It suppresses with OpenCV's batched function, which is compiled code.
    """

    def run() -> object:
        if preset == "yolov5":
            rows = head[0][head[0, :, 4] >= THRESHOLD]
            table = rows[:, 5:] * rows[:, 4:5]
            best = table.max(axis=1)
        else:
            best = head[0, 4:].max(axis=0)
        chosen = np.flatnonzero(best >= THRESHOLD)
        if preset == "yolov5":
            ids, boxes = table[chosen].argmax(axis=1), rows[chosen, :4]
        else:
            ids, boxes = head[0, 4:, chosen].argmax(axis=1), head[0, :4, chosen]
        scores = best[chosen]
        corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
        kept = cv2.dnn.NMSBoxesBatched(corners, scores, ids.astype(np.int32), THRESHOLD, IOU)  # type: ignore[arg-type]
        return corners[kept], scores[kept], ids[kept]

    return run


if __name__ == "__main__":
    main()
