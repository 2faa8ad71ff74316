"""Whole frames while messages are sent, while they cannot be, and with feedback.

Usage: ``python -m bench.sending FOLDER PROFILE IMAGES WAY``; see ``calls``. ``WAY`` is ``online``;
``offline``, where every message waits; or ``feedback``, where samples are chosen with the default
configuration and no bucket takes them. Both queues are full before anything is measured.
"""

from __future__ import annotations

import random
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.calls import serve
from bench.predict import FrameClock
from inference.feedback.configuration import default_configuration
from inference.feedback.limiter import RequestLimiter
from inference.feedback.metadata import SampleOrigin
from inference.feedback.rate_limit import RateLimiter
from inference.feedback.sampling import FeedbackSink
from inference.feedback.spool import Spool
from inference.model.profiles.profile import load_profile
from inference.outgoing.backlog import Backlog
from inference.outgoing.outbox import Outbox
from inference.pipeline.pipeline import Pipeline, Sink
from inference.pipeline.sinks import PredictionSink
from inference.serving.assembly import build_stages, encoder_for
from inference.serving.loading import load_model
from inference.settings import InferenceSettings

_BACKLOG_BYTES, _SPOOL_BYTES = 1 << 20, 16 << 20
_FILLING = 300
"""Frames after which both queues are full."""


def main() -> None:
    """Predict as the arguments say."""
    folder, profile, image, way = sys.argv[1:]
    settings = InferenceSettings(core_name="bench", image_source=image, inference_interval=0)
    loaded = load_model(Path(folder), Path(folder), load_profile(profile), settings.accelerator)
    with tempfile.TemporaryDirectory() as work:
        outbox = Outbox(
            refuse if way == "offline" else accept,
            backlog=Backlog(Path(work) / "unsent.jsonl", _BACKLOG_BYTES),
        )
        publish = partial(outbox.put, "mli/predictions/bench")
        sinks: list[Sink] = [PredictionSink(encoder_for(settings, loaded), publish)]
        if way == "feedback":
            sinks.append(feedback(outbox, Path(work)))
        clock = FrameClock()
        pipeline = Pipeline(build_stages(settings, loaded, [*sinks, clock]))
        pipeline.run(1 if way == "online" else _FILLING)
        frames = pipeline.counters.read
        serve(lambda: pipeline.run(frames + 1), 0.0, partial(clock.seconds, pipeline.run))
        outbox.close(0)


def accept(topic: str, payload: bytes) -> None:
    """Be a broker that takes everything at once."""


def refuse(topic: str, payload: bytes) -> None:
    """Be a broker that is down."""
    raise OSError("the broker is down")


def feedback(outbox: Outbox, work: Path) -> FeedbackSink:
    """Return a sink that keeps samples, without a limit, for a bucket that nobody uploads to."""
    return FeedbackSink(
        SampleOrigin("bench"),
        default_configuration("bench"),
        Spool(work / "samples", _SPOOL_BYTES),
        put=outbox.put,
        wake=lambda: None,
        limiter=RequestLimiter(0),
        rate=RateLimiter(0, ()),
        random=random.Random(1).random,
    )


if __name__ == "__main__":
    main()
