"""Where predictions go, and which results are worth a message."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Callable

from ..sources import Frame
from .results import Encoder, FrameResult

_log = logging.getLogger(__name__)

Publish = Callable[[bytes], None]
"""Sends one payload; raises ``OSError`` if it cannot."""

Policy = Callable[[FrameResult], bool]
"""Tells whether a result is worth a message."""


@dataclass
class PublishCounters:
    """Messages that the policy held back, and predictions that did not fit into their message."""

    held_back: int = 0
    predictions_left_out: int = 0


class PredictionSink:
    """Encodes each result and publishes it; a failure is logged, never raised."""

    def __init__(
        self,
        encode: Encoder,
        publish: Publish,
        *,
        policy: Policy = lambda result: True,
        counters: PublishCounters | None = None,
    ) -> None:
        """``counters``, if given, are those of a sink that this one replaces."""
        self.counters = counters if counters is not None else PublishCounters()
        self._encode = encode
        self._publish = publish
        self._policy = policy

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Publish the predictions of ``frame``."""
        if not self._policy(result):
            self.counters.held_back += 1
            return
        message = self._encode(result)
        self.counters.predictions_left_out += message.left_out
        try:
            self._publish(message.payload)
        except OSError as error:
            _log.error("frame %d: its predictions were not published: %s", frame.id, error)


def publish_policy(name: str) -> Policy:
    """Return the policy ``always``, ``detections`` (anything was detected) or ``changes``."""
    if name == "detections":
        return lambda result: bool(result.predictions)
    return _Changes() if name == "changes" else lambda result: True


class _Changes:
    """Accepts a result whose labels, or their numbers, differ from the last of its source.

    The first result of a source is accepted, so that a subscriber knows the state.
    """

    def __init__(self) -> None:
        self._last: dict[str, list[str]] = {}

    def __call__(self, result: FrameResult) -> bool:
        labels = sorted(prediction.label for prediction in result.predictions)
        if self._last.get(result.origin) == labels:
            return False
        self._last[result.origin] = labels
        return True
