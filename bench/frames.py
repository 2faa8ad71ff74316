"""Frame times, in a process of its own so that the number of threads can be set.

Usage: ``python -m bench.frames MODEL_NAME IMAGE PAIRS``; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np

from bench.statistics import interleaved, ratio
from inference.component.assembly import build_stages, encoder_for
from inference.component.loading import load_model
from inference.model.loaded import LoadedModel
from inference.model.profile import InputSpec, ModelProfile, load_profile
from inference.pipeline.pipeline import Pipeline, Stages
from inference.pipeline.results import FrameResult
from inference.pipeline.sinks import PredictionSink
from inference.settings import InferenceSettings
from inference.vision.images import decode
from inference.vision.scores import Scores
from models import store

NO_SCORES = Scores((), (), True)


def main() -> None:
    """Measure the model that the arguments name and print the ratios."""
    name, image, pairs = sys.argv[1:]
    profile = load_profile(name)
    folder = store.unpacked(name)
    loaded = load_model(folder, folder, profile, "cpu")
    ready = np.zeros(profile.input.shape, profile.input.dtype)
    frames = interleaved(
        one_frame(loaded, image), lambda: loaded.model.run(ready), pairs=int(pairs), block=10
    )
    rest = rest_of_a_frame(loaded, Path(image))
    result = {
        "fps_over_bare": asdict(ratio([(bare, ours) for ours, bare in frames])),
        "ms_a_frame": round(sorted(ours for ours, _ in frames)[len(frames) // 2] * 1e3, 2),
    }
    for decoding, flag in (("full", cv2.IMREAD_COLOR), ("reduced", reduced(profile, image))):
        cheapest = cheapest_opencv(profile.input, Path(image), flag)
        timed = interleaved(rest, cheapest, pairs=int(pairs), block=10)
        result[f"rest_over_opencv_{decoding}"] = asdict(ratio(timed))
    json.dump(result, sys.stdout)


def one_frame(loaded: LoadedModel, image: str) -> Callable[[], None]:
    """Return a function that takes one image file to a message, through the real pipeline."""
    pipeline = Pipeline(stages_of(settings_for(image), loaded))
    return lambda: pipeline.run(frames=pipeline.counters.read + 1)


def rest_of_a_frame(loaded: LoadedModel, image: Path) -> Callable[[], object]:
    """Return a function that does everything for a frame except running the model.

    It reads the outputs of the model's first run, all of them, whatever their scores.
    """
    settings = replace(settings_for(str(image)), confidence_threshold=0.0)
    stages = stages_of(settings, loaded)
    encode = encoder_for(settings, loaded)

    def rest() -> object:
        frame = decode(image.read_bytes(), str(image))
        _, fit = stages.preprocess(frame)
        predictions = stages.postprocess(loaded.first_outputs, fit)
        return encode(FrameResult(1, "", 1, 1, 0.0, predictions, {}, lambda: NO_SCORES))

    return rest


def settings_for(image: str) -> InferenceSettings:
    """Return the settings of a core that predicts one image file without a pause."""
    return InferenceSettings(core_name="bench", image_source=image, inference_interval=0)


def stages_of(settings: InferenceSettings, loaded: LoadedModel) -> Stages:
    """Return the component's stages, with a sink that encodes each message and drops it."""
    sink = PredictionSink(encoder_for(settings, loaded), lambda payload: None)
    return build_stages(settings, loaded, [sink])


def cheapest_opencv(spec: InputSpec, image: Path, flag: int) -> Callable[[], object]:
    """Return the cheapest known way to decode, resize and normalise with OpenCV alone.

    Of ``blobFromImage``, float arithmetic and one table per channel, the tables are the fastest.
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
