"""The cost of decoding a raw head, beside the least that NumPy needs, and the cost of boxes.

Usage: ``python -m bench.decoders PAIRS``; prints one JSON object.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import cv2
import numpy as np

from bench.ratio import interleaved, ratio
from inference.model.profiles.profile import ModelProfile, load_profile
from inference.pipeline.results import EnvelopeEncoder, FrameResult
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor
from inference.vision.scores import Scores

ANCHORS = (100, 1000, 8400, 25200)
CLASSES = 80
BOXES = (1, 10, 100, 1000)
SHARES = (0.01, 0.1)
"""Shares of the anchors above the threshold: a usual picture, and a crowd."""
THRESHOLD = 0.25
IOU = 0.45
NO_SCORES = Scores((), (), True)


def main() -> None:
    """Measure both layouts of YOLO for each number of anchors, then boxes; print the results."""
    pairs = int(sys.argv[1])
    heads = {
        f"{preset}, {anchors} anchors, {share:.0%} above": head_row(preset, anchors, share, pairs)
        for preset in ("yolo11", "yolov5")
        for anchors in ANCHORS
        for share in SHARES
    }
    boxes = {f"{count} boxes": boxes_row(count, pairs) for count in BOXES}
    sections = {
        "decoding of a raw head / the least that NumPy needs": heads,
        "decoding and message of final boxes / those of one box": boxes,
    }
    json.dump(sections, sys.stdout)


def head_row(preset: str, anchors: int, share: float, pairs: int) -> dict[str, Any]:
    """Return milliseconds per frame, and the ratio to the least."""
    head = head_of(preset, anchors, share)
    return _row(ours(preset, head), least(preset, head), pairs, max(2, 20_000 // anchors))


def boxes_row(count: int, pairs: int) -> dict[str, Any]:
    """Return milliseconds per frame with so many boxes, and the ratio to a frame with one."""
    return _row(of_boxes(count), of_boxes(1), pairs, max(2, 200 // count))


def _row(
    first: Callable[[], object], second: Callable[[], object], pairs: int, block: int
) -> dict[str, Any]:
    timed = interleaved(first, second, pairs=pairs, block=block)
    milliseconds = statistics.median(one for one, _ in timed) * 1e3
    return {"milliseconds": milliseconds, "ratio": asdict(ratio(timed))}


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


def of_boxes(count: int) -> Callable[[], object]:
    """Return a function from final rows with ``count`` boxes to the payload of a message."""
    profile = load_profile("yolo-end2end-coco")
    generator = np.random.default_rng(1)
    corners = generator.random((count, 2)) * 500
    rows = np.zeros((1, 1000, 6), np.float32)
    rows[0, :count, :2], rows[0, :count, 2:4] = corners, corners + 60
    rows[0, :count, 4] = generator.uniform(0.5, 0.95, count)
    postprocess = Postprocessor(profile, confidence_threshold=THRESHOLD)
    fitted = fit(profile.input, 1280, 720)
    encode = EnvelopeEncoder(
        core_name="bench",
        model_name=profile.name,
        model_sha256="0" * 64,
        configuration="0" * 16,
    )

    def run() -> object:
        predictions = postprocess([rows], fitted)
        return encode(FrameResult(1, "", 1280, 720, 0.0, predictions, {}, lambda: NO_SCORES))

    return run


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
