"""The component from start to predictions, without a nucleus: one line per prediction.

Usage: ``python bench/predict.py FOLDER PROFILE IMAGE FRAMES``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from inference.component.loading import load_model
from inference.model.profile import load_profile
from inference.settings import InferenceSettings


def main() -> None:
    """Predict as often as the arguments say."""
    folder, profile, image, frames = sys.argv[1:]
    settings = InferenceSettings(core_name="bench", image_source=image, inference_interval=0)
    loaded = load_model(Path(folder), Path(folder), load_profile(profile), settings.accelerator)
    from inference.component.assembly import build_stages, encoder_for
    from inference.pipeline.pipeline import Pipeline
    from inference.pipeline.sinks import PredictionSink

    sink = PredictionSink(encoder_for(settings, loaded), write_line)
    Pipeline(build_stages(settings, loaded, [sink])).run(int(frames))


def write_line(payload: bytes) -> None:
    """Write one payload to stdout at once."""
    sys.stdout.buffer.write(payload + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
