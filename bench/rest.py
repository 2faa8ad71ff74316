"""What is not the model: the rest of a frame, and the time of each stage.

Usage: ``python -m bench.rest MODEL_NAME IMAGE PAIRS``; prints one JSON object.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from bench.ratio import interleaved, ratio
from inference.model.loaded import LoadedModel
from inference.model.profiles.profile import InputSpec, load_profile
from inference.pipeline.pipeline import Pipeline, Stages
from inference.pipeline.results import FrameResult
from inference.pipeline.sinks import PredictionSink
from inference.serving.assembly import build_stages, encoder_for
from inference.serving.loading import load_model
from inference.settings import InferenceSettings
from inference.sources import Frame
from inference.vision.geometry import reduction
from inference.vision.images import decode, decode_reduced
from inference.vision.scores import Scores
from models import store

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_NO_SCORES = Scores((), (), True)


def main() -> None:
    """Measure the model that the arguments name and print the results."""
    name, image, pairs = sys.argv[1:]
    profile = load_profile(name)
    folder = store.unpacked(name)
    loaded = load_model(folder, folder, profile, "cpu")
    results: dict[str, Any] = {"stages": stage_milliseconds(loaded, image, 10 * int(pairs))}
    full, reduced = (cheapest_opencv(profile.input, Path(image), way) for way in (False, True))
    measured = {
        "full": (rest_of_a_frame(loaded, Path(image), is_reduced=False), full),
        "reduced": (rest_of_a_frame(loaded, Path(image)), reduced),
        "usual": (rest_of_a_frame(loaded, Path(image), is_usual=True), reduced),
    }
    for way, (ours, opencv) in measured.items():
        timed = interleaved(ours, opencv, pairs=int(pairs), block=10)
        results[way] = asdict(ratio(timed))
    json.dump(results, sys.stdout)


def stage_milliseconds(loaded: LoadedModel, image: str, frames: int) -> dict[str, float]:
    """Return the median time of each stage of a whole frame, in milliseconds."""
    settings = settings_for(image)
    times: dict[str, list[float]] = {}
    encode = encoder_for(settings, loaded)

    def sink(frame: Frame, result: FrameResult) -> None:
        started = perf_counter()
        encode(result)
        message = (perf_counter() - started) * 1e3
        for stage, milliseconds in {**result.latency_ms, "message": message}.items():
            times.setdefault(stage, []).append(milliseconds)

    Pipeline(build_stages(settings, loaded, [sink])).run(frames)
    return {stage: round(statistics.median(one), 3) for stage, one in times.items()}


def rest_of_a_frame(
    loaded: LoadedModel, image: Path, *, is_reduced: bool = True, is_usual: bool = False
) -> Callable[[], object]:
    """Return a function that does everything for a frame except running the model.

    It reads the outputs of the model's run on zeros, all of them, whatever their scores. If it
    ``is_usual``, it reads those of the image, at the profile's threshold.
    """
    settings = settings_for(str(image))
    if not is_usual:
        settings = replace(settings, confidence_threshold=0.0)
    stages = stages_of(settings, loaded)
    encode = encoder_for(settings, loaded)
    spec = loaded.profile.input
    tensor = np.zeros(spec.shape, spec.dtype)
    if is_usual:
        tensor, _ = stages.preprocess(decode(image.read_bytes(), str(image)))
    outputs = loaded.model.run(tensor)

    def allowed(width: int, height: int) -> int:
        return reduction(spec, width, height) if is_reduced else 1

    def rest() -> object:
        decoded = decode_reduced(image.read_bytes(), str(image), allowed)
        _, fit = stages.preprocess(decoded.image, decoded.size)
        predictions = stages.postprocess(outputs, fit)
        return encode(FrameResult(1, "", 1, 1, 0.0, predictions, {}, lambda: _NO_SCORES))

    return rest


def settings_for(image: str) -> InferenceSettings:
    """Return the settings of a core that predicts one image file without a pause."""
    return InferenceSettings(core_name="bench", image_source=image, inference_interval=0)


def stages_of(settings: InferenceSettings, loaded: LoadedModel) -> Stages:
    """Return the component's stages, with a sink that encodes each message and drops it."""
    sink = PredictionSink(encoder_for(settings, loaded), lambda payload: None)
    return build_stages(settings, loaded, [sink])


def cheapest_opencv(spec: InputSpec, image: Path, is_reduced: bool) -> Callable[[], object]:
    """Return the cheapest known way to decode, resize and normalise with OpenCV alone.

    Of ``blobFromImage``, float arithmetic and one table per channel, the tables are the fastest.
    """
    size = (spec.width, spec.height)
    height, width = decode(image.read_bytes(), str(image)).shape[:2]
    flag = _FLAGS[reduction(spec, width, height) if is_reduced else 1]
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


if __name__ == "__main__":
    main()
