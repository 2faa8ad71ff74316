"""The component of the second generation: what it puts together, and in which order it stops."""

from __future__ import annotations

import logging
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from .feedback.configuration import FeedbackConfigurations
from .feedback.limiter import RequestLimiter
from .feedback.s3 import S3
from .feedback.spool import Spool
from .feedback.uploader import Uploader
from .greengrass_ipc import Nucleus
from .loading import load_model
from .names import prediction_topic
from .outbox import Outbox
from .profile import load_profile
from .settings import InferenceSettings

DRAIN_SECONDS = 8.0
"""From the signal to the end: the nucleus kills a component 10 s or more after SIGTERM."""

SPOOL_BYTES = 256 << 20
"""Most disk that samples take while they cannot be uploaded."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Feedback:
    sink: Any
    uploader: Uploader


def run(work: Path, model: Path, profile_name: str, *, seed: str | None) -> None:
    """Predict with the nucleus's configuration until SIGTERM or SIGINT, then drain what waits.

    ``seed`` makes the random sampling strategy repeatable.

    Raises:
        ConfigurationError: if a setting or the profile is wrong.
        ModelError: if the model cannot be used.
        OSError: if the nucleus cannot be reached.
    """
    profile = load_profile(profile_name)
    nucleus = Nucleus()
    settings = InferenceSettings.from_configuration(nucleus.configuration())
    loaded = load_model(model, work, profile, settings.accelerator, try_once=True)
    from .assembly import build_pipeline  # needs OpenCV, imported while the model loaded
    from .sources import open_source

    source = open_source(settings.image_source, repeat=True)
    topic = prediction_topic(settings.core_name)
    outbox = Outbox(nucleus.publish_to_iot_core)
    feedback = None
    if settings.feedback is not None:
        rng = random.Random(seed).random
        feedback = _open_feedback(settings, settings.feedback, work, nucleus, outbox, rng)
    pipeline = build_pipeline(
        settings,
        loaded,
        source,
        lambda payload: outbox.put(topic, payload),
        sinks=[feedback.sink] if feedback is not None else [],
    )
    _stop_on_signals(pipeline.stop)
    try:
        pipeline.run()
    finally:
        _log.info("stopping: %s, %s", pipeline.counters, outbox.counters)
        _drain(outbox, feedback.uploader if feedback is not None else None)
        source.close()
        nucleus.close()


def _open_feedback(
    settings: InferenceSettings,
    configurations: FeedbackConfigurations,
    work: Path,
    nucleus: Nucleus,
    outbox: Outbox,
    rng: Callable[[], float],
) -> _Feedback:
    from .feedback.sampling import FeedbackSink

    configurations.require_buckets()
    spool = Spool(work / "samples", SPOOL_BYTES)
    limiter = RequestLimiter(settings.feedback_request_limit)
    uploader = Uploader(
        spool,
        S3().put_object,
        nucleus.publish_to_iot_core,
        on_finished=lambda request: limiter.leave(),
    )
    sink = FeedbackSink(
        settings.core_name,
        configurations,
        spool,
        put=outbox.put,
        wake=uploader.wake,
        limiter=limiter,
        random=rng,
    )
    return _Feedback(sink, uploader)


def _stop_on_signals(stop: Callable[[], None]) -> None:
    def handle(number: int, _: Any) -> None:
        _log.info("stopping on %s", signal.Signals(number).name)
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _drain(outbox: Outbox, uploader: Uploader | None) -> None:
    """Send what can still be sent: samples first, since their messages go with them."""
    deadline = time.monotonic() + DRAIN_SECONDS
    if uploader is not None:
        left = uploader.close(DRAIN_SECONDS / 2)
        _log.info("%d samples are left for the next start: %s", left, uploader.counters)
    unsent = outbox.close(max(0.0, deadline - time.monotonic()))
    _log.info("%d messages were not sent: %s", unsent, outbox.counters)
