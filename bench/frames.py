"""Frame times, in a process of its own so that the number of threads can be set.

Usage: ``python -m bench.frames MODEL_NAME IMAGE PAIRS``; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.statistics import interleaved, ratio
from inference.model.artifact import check_artifact
from inference.model.dlr import DlrModel
from inference.model.profile import InputSpec, ModelProfile, load_profile
from inference.pipeline.pipeline import Pipeline, Stages
from inference.pipeline.results import FrameResult, encode_list
from inference.pipeline.sinks import PredictionSink
from inference.sources import FileSource
from inference.vision.images import decode
from inference.vision.postprocess import Postprocessor
from inference.vision.preprocess import Preprocessor
from inference.vision.scores import Scores
from models import store

NO_SCORES = Scores((), (), True)


def main() -> None:
    """Measure the model that the arguments name and print the ratios."""
    name, image, pairs = sys.argv[1:]
    profile = load_profile(name)
    model = DlrModel(check_artifact(store.unpacked(name)), profile.input)
    outputs = model.warm_up()
    ready = np.zeros(profile.input.shape, profile.input.dtype)
    frames = interleaved(
        one_frame(profile, model, image), lambda: model.run(ready), pairs=int(pairs), block=10
    )
    rest = rest_of_a_frame(profile, Path(image), outputs)
    result = {
        "fps_over_bare": asdict(ratio([(bare, ours) for ours, bare in frames])),
        "ms_a_frame": round(sorted(ours for ours, _ in frames)[len(frames) // 2] * 1e3, 2),
    }
    for decoding, flag in (("full", cv2.IMREAD_COLOR), ("reduced", reduced(profile, image))):
        cheapest = cheapest_opencv(profile.input, Path(image), flag)
        timed = interleaved(rest, cheapest, pairs=int(pairs), block=10)
        result[f"rest_over_opencv_{decoding}"] = asdict(ratio(timed))
    json.dump(result, sys.stdout)


def one_frame(profile: ModelProfile, model: DlrModel, image: str) -> Callable[[], None]:
    """Return a function that takes one image file to a message, through the real pipeline."""
    pipeline = Pipeline(
        Stages(
            source=FileSource(image, repeat=True),
            preprocess=Preprocessor(profile.input),
            model=model,
            postprocess=Postprocessor(profile),
            sinks=[PredictionSink(encode_list, lambda payload: None)],
            interval=0,
        )
    )
    return lambda: pipeline.run(frames=pipeline.counters.read + 1)


def rest_of_a_frame(profile: ModelProfile, image: Path, outputs: list[Any]) -> Callable[[], object]:
    """Return a function that does all of a frame but the model, whose ``outputs`` are given."""
    preprocess = Preprocessor(profile.input)
    postprocess = Postprocessor(profile, confidence_threshold=0.0)

    def rest() -> object:
        frame = decode(image.read_bytes(), str(image))
        _, way = preprocess(frame)
        predictions = postprocess(outputs, way)
        return encode_list(FrameResult(1, "", 1, 1, 0.0, predictions, {}, lambda: NO_SCORES))

    return rest


def cheapest_opencv(spec: InputSpec, image: Path, flag: int) -> Callable[[], object]:
    """Return the cheapest way that was found to decode, resize and normalise with OpenCV alone.

    Of ``blobFromImage``, arithmetic on floats and a table a channel, the table is the quickest.
    """
    size = (spec.width, spec.height)
    pixels = np.arange(256, dtype=np.float64)
    tables = [
        ((pixels * spec.scale - mean) / std).astype(np.float32)
        for mean, std in zip(spec.mean, spec.std, strict=True)
    ]
    tensor = np.empty(spec.shape, np.float32)

    def run() -> object:
        decoded = cv2.imdecode(np.frombuffer(image.read_bytes(), np.uint8), flag)
        assert decoded is not None
        planes = cv2.split(cv2.resize(decoded, size))
        for channel, table in enumerate(tables):
            cv2.LUT(planes[2 - channel], table, tensor[0, channel])
        return tensor

    return run


def reduced(profile: ModelProfile, image: str) -> int:
    """Return the flag of OpenCV's reduced JPEG decoding that still covers the model's input."""
    frame = decode(Path(image).read_bytes(), image)
    factor = min(frame.shape[0] // profile.input.height, frame.shape[1] // profile.input.width)
    if factor >= 4:
        return cv2.IMREAD_REDUCED_COLOR_4
    return cv2.IMREAD_REDUCED_COLOR_2 if factor >= 2 else cv2.IMREAD_COLOR


if __name__ == "__main__":
    main()
