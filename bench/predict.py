"""The component's own way from image file to message, without a nucleus.

Usage: ``python -m bench.predict FOLDER PROFILE SOURCE INTERVAL``; see ``calls``. With an interval
it predicts on its own after the first frame.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from time import perf_counter

from bench.calls import serve
from inference.component.loading import load_model
from inference.model.profile import load_profile
from inference.settings import InferenceSettings


def main() -> None:
    """Predict as the arguments say."""
    folder, profile, source, interval = sys.argv[1:]
    settings = InferenceSettings(
        core_name="bench", image_source=source, inference_interval=float(interval)
    )
    started = perf_counter()
    loaded = load_model(Path(folder), Path(folder), load_profile(profile), settings.accelerator)
    load_seconds = perf_counter() - started
    from inference.component.assembly import build_stages, encoder_for
    from inference.pipeline.pipeline import Pipeline
    from inference.pipeline.sinks import PredictionSink

    sink = PredictionSink(encoder_for(settings, loaded), lambda payload: None)
    pipeline = Pipeline(build_stages(settings, loaded, [sink]))
    if settings.inference_interval:
        serve(threading.Thread(target=pipeline.run, daemon=True).start, load_seconds)
    serve(lambda: pipeline.run(pipeline.counters.read + 1), load_seconds)


if __name__ == "__main__":
    main()
