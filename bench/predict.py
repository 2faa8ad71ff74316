"""The component's own way from image file to message, without a nucleus.

Usage: ``python -m bench.predict FOLDER PROFILE SOURCE INTERVAL``; see ``calls``. With an interval
it predicts on its own after the first frame.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from bench.calls import serve

_WORK = Path(__file__).parent.parent / "build/bench/work"


class FrameClock:
    """The last sink of a pipeline, which times frames from the end of one to that of the next."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    def __call__(self, *_: object) -> None:
        """Take a frame and its predictions."""
        self._ends.append(perf_counter())

    def seconds(self, run: Callable[[int], object], frames: int) -> list[float]:
        """Let ``run`` predict until there are that many further frames; return the seconds of each.

        The first is not measured, because it may have been read while nobody waited for it.
        """
        before = len(self._ends)
        run(before + 1 + frames)
        return [end - start for start, end in pairwise(self._ends[before:])]


def main() -> None:
    """Predict as the arguments say. What is imported when, and collected, is as in a component."""
    gc.disable()
    from inference.memory import share_one_heap
    from inference.model.profiles.profile import load_profile
    from inference.serving.loading import load_model
    from inference.settings import InferenceSettings

    share_one_heap()
    folder, profile, source, interval = sys.argv[1:]
    settings = InferenceSettings(
        core_name="bench", image_source=source, inference_interval=float(interval)
    )
    started = perf_counter()
    work = _WORK / profile  # has the mark of a model that was tried, as on a core
    work.mkdir(parents=True, exist_ok=True)
    loaded = load_model(
        Path(folder), work, load_profile(profile), settings.accelerator, try_once=True
    )
    load_seconds = perf_counter() - started
    from inference.pipeline.pipeline import Pipeline
    from inference.pipeline.sinks import PredictionSink
    from inference.serving.assembly import build_stages, encoder_for

    sink = PredictionSink(encoder_for(settings, loaded), lambda payload: None)
    clock = FrameClock()
    pipeline = Pipeline(build_stages(settings, loaded, [sink, clock]))
    gc.freeze()
    gc.enable()
    if settings.inference_interval:
        serve(threading.Thread(target=pipeline.run, daemon=True).start, load_seconds)
    serve(lambda: pipeline.run(1), load_seconds, partial(clock.seconds, pipeline.run))


if __name__ == "__main__":
    main()
