"""Feedback of the second generation: selects frames by the connector's rules and keeps them."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable, Sequence, Tuple

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
    object_key,
    request_limit_status,
    source_ref,
)
from .metadata import Reason, SampleOrigin, frame_metadata, mask_key, object_metadata
from .rate_limit import RateLimiter
from .samples import SampleRequest
from .spool import Spool
from .strategies import Strategy, measured, seen_by, strategy

_log = logging.getLogger(__name__)

Put = Callable[[str, bytes], None]
"""Puts a payload for a topic into the outbox."""

_Place = Tuple[str, str, str, str]


@dataclass
class SamplingCounters:
    """What became of the requests: each frame makes one per configuration.

    ``chosen`` go to S3, ``not_used`` were dropped by their strategy, ``throttled`` by the request
    limit, ``skipped_by_limit`` by the limit per hour, and ``failed`` for lack of space.
    """

    chosen: int = 0
    not_used: int = 0
    skipped_by_limit: int = 0
    throttled: int = 0
    failed: int = 0


class FeedbackSink:
    """Offers each frame to every configuration; chosen frames go to the spool.

    Configurations that choose a frame for the same bucket and prefix share one upload.
    """

    def __init__(
        self,
        origin: SampleOrigin,
        configurations: FeedbackConfigurations,
        spool: Spool,
        *,
        put: Put,
        wake: Callable[[], None],
        limiter: RequestLimiter,
        rate: RateLimiter,
        random: Callable[[], float],
        counters: SamplingCounters | None = None,
        folder: str = "",
    ) -> None:
        """``counters``, if given, are those of a sink that this one replaces.

        Samples go into a folder of their model, below ``folder`` and each prefix.
        """
        self.counters = counters if counters is not None else SamplingCounters()
        self._origin = origin
        self._folder = "/".join(filter(None, (folder, origin.folder)))
        self._strategies: list[tuple[FeedbackConfiguration, Strategy]] = [
            (one, strategy(one.strategy, random)) for one in configurations.all
        ]
        self._spool = spool
        self._put = put
        self._wake = wake
        self._limiter = limiter
        self._rate = rate

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Keep ``frame``, encoded, for each configuration that chooses it."""
        scores = result.scores()
        kept = [
            (request_id, configuration, self._key(configuration, request_id))
            for configuration, chooses in self._strategies
            if (request_id := self._chosen(configuration, chooses, scores)) is not None
        ]
        keys: dict[_Place, str] = {}
        reasons: dict[str, list[Reason]] = {}
        for _, configuration, own_key in kept:
            key = keys.setdefault(_place(configuration), own_key)
            reasons.setdefault(key, []).append(_reason(configuration, scores))
        about = {
            key: object_metadata(self._origin, frame, result, why) for key, why in reasons.items()
        }
        requests = []
        for request_id, configuration, _ in kept:
            key = keys[_place(configuration)]
            metadata = frame_metadata(self._origin.core, frame)
            if result.mask is not None:
                metadata["mask-ref"] = source_ref(configuration.bucket or "", mask_key(key))
            requests.append(
                self._request(request_id, configuration, key, metadata, scores, about[key])
            )
        if requests:
            self._keep(frame, tuple(requests), result.mask)

    def _chosen(
        self, configuration: FeedbackConfiguration, chooses: Strategy, scores: Scores
    ) -> str | None:
        """Return the id of a new request, or None after reporting why there is none."""
        request_id = str(uuid.uuid4())
        if not chooses(_seen(configuration, scores)):
            self.counters.not_used += 1
            self._put(FEEDBACK_STATUS_TOPIC, dropped_status(request_id))
        elif not self._limiter.enter(request_id):
            self.counters.throttled += 1
            status = request_limit_status(request_id, self._limiter.limit)
            self._put(FEEDBACK_STATUS_TOPIC, status)
        elif not self._rate.take(configuration.id):  # last: the others must not use it up
            self._limiter.leave(request_id)
            self.counters.skipped_by_limit += 1
            self._put(FEEDBACK_STATUS_TOPIC, dropped_status(request_id))
        else:
            return request_id
        return None

    def _key(self, configuration: FeedbackConfiguration, request_id: str) -> str:
        prefix = "/".join(filter(None, (configuration.prefix, self._folder)))
        return object_key(prefix, request_id, configuration.file_ext)

    def _request(
        self,
        request_id: str,
        configuration: FeedbackConfiguration,
        key: str,
        metadata: dict[str, str],
        scores: Scores,
        about: dict[str, str],
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
        return SampleRequest(request_id, bucket, key, configuration.content_type, fields, about)

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


def _place(configuration: FeedbackConfiguration) -> _Place:
    """Return what configurations must have in common to share one object."""
    return (
        configuration.bucket or "",
        configuration.prefix,
        configuration.file_ext,
        configuration.content_type,
    )


def _seen(configuration: FeedbackConfiguration, scores: Scores) -> Sequence[float]:
    return seen_by(configuration.strategy.name if configuration.strategy else None, scores)


def _reason(configuration: FeedbackConfiguration, scores: Scores) -> Reason:
    name = configuration.strategy.name if configuration.strategy else None
    return Reason.of(configuration, measured(name, _seen(configuration, scores)))
