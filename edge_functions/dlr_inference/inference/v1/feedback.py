"""Feedback of the first generation: each frame is offered to the MLFeedback connector."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from ..errors import FrameError
from ..feedback.configuration import FeedbackConfiguration
from ..feedback.metadata import frame_metadata
from ..feedback.strategies import seen_by
from ..pipeline.results import FrameResult
from ..sources import Frame
from ..vision.scores import Scores

_log = logging.getLogger(__name__)

Request = Callable[[str, bytes, Sequence[float], Mapping[str, str]], None]
"""Sends the connector a configuration's id, a sample, its scores and metadata; raises ``OSError``
if that fails."""


@dataclass
class RequestCounters:
    """What became of the requests: each frame makes one per configuration."""

    sent: int = 0
    failed: int = 0


class ConnectorFeedback:
    """Offers each frame to these configurations of the connector, which samples and uploads."""

    def __init__(
        self, core_name: str, configurations: Sequence[FeedbackConfiguration], request: Request
    ) -> None:
        self.counters = RequestCounters()
        self._core_name = core_name
        self._configurations = configurations
        self._request = request

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Offer ``frame`` as it was encoded; a failure is counted and logged, never raised."""
        try:
            data = frame.encoded()
        except FrameError as error:
            self.counters.failed += len(self._configurations)
            _log.error("frame %d: was not offered as a sample: %s", frame.id, error)
            return
        scores = result.scores()
        metadata = frame_metadata(self._core_name, frame)
        for one in self._configurations:
            strategy = one.strategy.name if one.strategy else None
            try:
                self._request(one.id, data, model_prediction(strategy, scores), metadata)
            except OSError as error:
                self.counters.failed += 1
                _log.error("frame %d: was not offered to %s: %s", frame.id, one.id, error)
            else:
                self.counters.sent += 1


def model_prediction(strategy_name: str | None, scores: Scores) -> list[float]:
    """Return the ``ModelPrediction`` of a request to the connector.

    The connector refuses an empty one; a single 0 has the same confidence, margin and entropy.
    """
    return list(seen_by(strategy_name, scores)) or [0.0]
