"""A stand-in for the MLFeedback connector: its input, its rules, its uploads, its two messages.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html

It does not publish the connector's metrics for CloudWatch; :class:`FeedbackCounters` has them.
"""

from __future__ import annotations

import math
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inference.feedback import messages
from inference.feedback.configuration import KEY, FeedbackConfiguration, FeedbackConfigurations
from inference.feedback.limiter import RequestLimiter, parse_request_limit
from inference.feedback.strategies import Strategy, strategy
from inference.names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC
from inference.schema import ConfigurationError, Fault

from .invocations import Invocation, Result
from .logs import CoreLog

PutObject = Callable[[str, str, bytes, str], object]
"""Uploads a body to a bucket and key; the class of an exception is reported."""

_STOP_SECONDS = 15.0


@dataclass
class FeedbackCounters:
    """The connector's metrics: what became of the requests."""

    uploaded: int = 0
    not_used: int = 0
    failed: int = 0
    throttled: int = 0
    invalid: int = 0


@dataclass(frozen=True)
class _Request:
    id: str
    configuration: FeedbackConfiguration
    prediction: list[float] | dict[str, float]
    metadata: Mapping[str, Any]
    sample: bytes

    @property
    def scores(self) -> list[float]:
        return list(
            self.prediction.values() if isinstance(self.prediction, dict) else self.prediction
        )


class MlFeedbackConnector:
    """Samples, uploads and reports; a context in which one thread handles the requests.

    ``publish`` takes a topic and a payload; ``random`` returns numbers from 0 to below 1.

    Raises:
        ConfigurationError: if a parameter is not what the connector needs.
    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        *,
        put_object: PutObject,
        publish: Callable[[str, bytes], None],
        random: Callable[[], float],
        log: CoreLog,
    ) -> None:
        self.counters = FeedbackCounters()
        self._configurations = FeedbackConfigurations.parse(
            parameters.get("FeedbackConfigurationMap")
        )
        self._configurations.require_buckets()
        self._limiter = RequestLimiter(_request_limit(parameters.get("RequestLimit")))
        self._strategies: dict[str, Strategy] = {
            one.id: strategy(one.strategy, random) for one in self._configurations.all
        }
        self._put_object = put_object
        self._publish = publish
        self._log = log
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work_off, name="v1-ml-feedback", daemon=True)

    def __enter__(self) -> MlFeedbackConnector:
        self._worker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Handle what was taken in, as far as that does not take too long."""
        self._requests.put(None)
        self._worker.join(_STOP_SECONDS)

    def accept(self, work: Invocation) -> None:
        """Queue a request, or refuse it; both the status message and the result report which."""
        try:
            request = self._parse(work)
        except ValueError as error:
            self.counters.invalid += 1
            text = (
                "Exception raised while parsing input. Failed with exception type: "
                f"ValueError, error: {error}"
            )
            self._refuse(work, messages.failure_status(work.id, "ValueError", text), text)
            return
        if not self._limiter.enter(work.id):
            self.counters.throttled += 1
            status = messages.request_limit_status(work.id, self._limiter.limit)
            self._refuse(work, status, "the request limit has been reached")
            return
        self._requests.put(request)
        work.finish(Result(b"null"))

    def _parse(self, work: Invocation) -> _Request:
        custom = work.custom
        config_id = custom.get("ConfigId")
        configuration = self._configurations.find(str(config_id))
        if configuration is None:
            raise ValueError(f"the feedback configuration map has no configuration {config_id!r}")
        metadata = custom.get("Metadata") or {}
        if not isinstance(metadata, dict):
            raise ValueError("Metadata must be an object")
        return _Request(
            id=work.id,
            configuration=configuration,
            prediction=_prediction(custom.get("ModelPrediction")),
            metadata=metadata,
            sample=work.payload,
        )

    def _refuse(self, work: Invocation, status: bytes, reason: str) -> None:
        self._log.warn(f"request {work.id} refused: {reason}")
        self._publish(FEEDBACK_STATUS_TOPIC, status)
        work.finish(Result.failure("Handled", reason))

    def _work_off(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._publish(FEEDBACK_STATUS_TOPIC, self._handle(request))
            except Exception as error:  # one request must not stop the others
                self._log.warn(f"request {request.id}: its message is lost: {error!r}")
            finally:
                self._limiter.leave(request.id)

    def _handle(self, request: _Request) -> bytes:
        """Sample, upload and publish; return the status."""
        configuration = request.configuration
        if not self._strategies[configuration.id](request.scores):
            self.counters.not_used += 1
            return messages.dropped_status(request.id)
        bucket = configuration.bucket or ""
        key = messages.object_key(configuration.prefix, str(uuid.uuid4()), configuration.file_ext)
        try:
            self._put_object(bucket, key, request.sample, configuration.content_type)
        except Exception as error:  # the class of S3's exception is the reply
            self.counters.failed += 1
            self._log.warn(f"request {request.id}: not uploaded: {error!r}")
            return messages.upload_failure_status(request.id, error)
        self.counters.uploaded += 1
        message = messages.prediction_message(
            source=messages.source_ref(bucket, key),
            prediction=request.prediction,
            config_id=configuration.id,
            metadata=request.metadata,
            published_at=datetime.now(UTC),
        )
        self._publish(FEEDBACK_PREDICTION_TOPIC, message)
        return messages.success_status(request.id, bucket, key)


def _request_limit(value: object) -> int:
    try:
        return parse_request_limit(value)
    except ValueError as error:
        raise ConfigurationError([Fault(f"{KEY}.RequestLimit", value, str(error), "10")]) from None


def _prediction(value: object) -> list[float] | dict[str, float]:
    """Read ModelPrediction: scores, or scores by label; the connector refuses an empty one."""
    scores = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(scores, list) or not scores:
        raise ValueError("ModelPrediction must be a list or an object, and not empty")
    for score in scores:
        number = isinstance(score, int | float) and not isinstance(score, bool)
        if not number or not math.isfinite(score):
            raise ValueError("ModelPrediction must consist of finite numbers")
    return value if isinstance(value, dict) else scores
