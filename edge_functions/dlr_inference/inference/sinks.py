"""Where results go."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Callable

from .messages import Encoder, FrameResult
from .sources import Frame

_log = logging.getLogger(__name__)

Publish = Callable[[bytes], None]
"""Sends one payload; raises ``OSError`` or ``RuntimeError`` if it could not."""


@dataclass
class PublishCounters:
    """What became of the messages: sent, not sent, and predictions left out below the size cap."""

    sent: int = 0
    failed: int = 0
    predictions_left_out: int = 0


class PredictionSink:
    """Encodes each result and publishes it; a failure is counted and logged, never raised."""

    def __init__(self, encode: Encoder, publish: Publish) -> None:
        self.counters = PublishCounters()
        self._encode = encode
        self._publish = publish

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Publish the predictions of ``frame``."""
        message = self._encode(result)
        self.counters.predictions_left_out += message.left_out
        try:
            self._publish(message.payload)
        except (OSError, RuntimeError) as error:
            self.counters.failed += 1
            _log.error("frame %d: its predictions were not published: %s", frame.id, error)
        else:
            self.counters.sent += 1
