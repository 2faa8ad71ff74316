"""Feedback of the second generation: selects frames by the connector's rules and keeps them."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable

from ..errors import FrameError
from ..names import FEEDBACK_STATUS_TOPIC
from ..pipeline.results import FrameResult
from ..sources import Frame
from ..vision.scores import Scores
from .configuration import FeedbackConfiguration, FeedbackConfigurations
from .limiter import RequestLimiter
from .messages import (
    dropped_status,
    failure_status,
    fitting_prediction_message,
    mask_key,
    object_key,
    request_limit_status,
    source_ref,
)
from .spool import SampleRequest, Spool
from .strategies import Strategy, seen_by, strategy

_log = logging.getLogger(__name__)

Put = Callable[[str, bytes], None]
"""Puts a payload for a topic into the outbox."""


@dataclass
class SamplingCounters:
    """What became of the requests: each frame makes one per configuration.

    ``chosen`` go to S3, ``not_used`` were dropped by their strategy, ``throttled`` by the request
    limit, and ``failed`` for lack of space.
    """

    chosen: int = 0
    not_used: int = 0
    throttled: int = 0
    failed: int = 0


class FeedbackSink:
    """Offers each frame to every configuration; chosen frames go to the spool.

    Configurations that choose a frame for the same bucket and prefix share one upload.
    """

    def __init__(
        self,
        core_name: str,
        configurations: FeedbackConfigurations,
        spool: Spool,
        *,
        put: Put,
        wake: Callable[[], None],
        limiter: RequestLimiter,
        random: Callable[[], float],
        counters: SamplingCounters | None = None,
        folder: str = "",
    ) -> None:
        """``counters``, if given, are those of a sink that this one replaces.

        Samples go into ``folder`` below each prefix, if it has a name.
        """
        self.counters = counters if counters is not None else SamplingCounters()
        self._core_name = core_name
        self._folder = folder
        self._strategies: list[tuple[FeedbackConfiguration, Strategy]] = [
            (one, strategy(one.strategy, random)) for one in configurations.all
        ]
        self._spool = spool
        self._put = put
        self._wake = wake
        self._limiter = limiter

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Keep ``frame``, encoded, for each configuration that chooses it."""
        scores = result.scores()
        keys: dict[tuple[str, str, str, str], str] = {}
        requests: list[SampleRequest] = []
        for configuration, chooses in self._strategies:
            request_id = str(uuid.uuid4())
            name = configuration.strategy.name if configuration.strategy else None
            if not chooses(seen_by(name, scores)):
                self.counters.not_used += 1
                self._put(FEEDBACK_STATUS_TOPIC, dropped_status(request_id))
            elif not self._limiter.enter(request_id):
                self.counters.throttled += 1
                status = request_limit_status(request_id, self._limiter.limit)
                self._put(FEEDBACK_STATUS_TOPIC, status)
            else:
                place = (
                    configuration.bucket or "",
                    configuration.prefix,
                    configuration.file_ext,
                    configuration.content_type,
                )
                prefix = "/".join(filter(None, (configuration.prefix, self._folder)))
                key = keys.setdefault(place, object_key(prefix, request_id, configuration.file_ext))
                metadata = frame_metadata(self._core_name, frame)
                if result.mask is not None:
                    metadata["mask-ref"] = source_ref(configuration.bucket or "", mask_key(key))
                requests.append(self._request(request_id, configuration, key, metadata, scores))
        if requests:
            self._keep(frame, tuple(requests), result.mask)

    def _request(
        self,
        request_id: str,
        configuration: FeedbackConfiguration,
        key: str,
        metadata: dict[str, str],
        scores: Scores,
    ) -> SampleRequest:
        bucket = configuration.bucket or ""
        message = fitting_prediction_message(
            source=source_ref(bucket, key),
            scores=scores,
            config_id=configuration.id,
            metadata=metadata,
            published_at=datetime.now(timezone.utc),
        )
        fields = json.loads(message.payload)
        return SampleRequest(request_id, bucket, key, configuration.content_type, fields)

    def _keep(
        self,
        frame: Frame,
        requests: tuple[SampleRequest, ...],
        mask: Callable[[], bytes] | None,
    ) -> None:
        try:
            gone = self._spool.add(requests, frame.encoded(), b"" if mask is None else mask())
        except (OSError, FrameError) as error:
            _log.error("frame %d: was not kept as a sample: %s", frame.id, error)
            self._fail(requests, type(error).__name__, str(error))
            return
        self.counters.chosen += len(requests)
        for sample in gone:
            self._fail(sample.requests, "Spool.Full", "made room for a newer sample")
        self._wake()

    def _fail(self, requests: tuple[SampleRequest, ...], error: str, message: str) -> None:
        for request in requests:
            self.counters.failed += 1
            self._limiter.leave(request.id)
            self._put(FEEDBACK_STATUS_TOPIC, failure_status(request.id, error, message))


def frame_metadata(core_name: str, frame: Frame) -> dict[str, str]:
    """Return a sample's metadata: ASCII strings only, because S3 metadata allows no others."""
    captured_at = datetime.fromtimestamp(frame.captured_at, timezone.utc)
    return {
        "core": core_name,
        "frame": str(frame.id),
        "captured-at": captured_at.isoformat(timespec="milliseconds"),
    }
