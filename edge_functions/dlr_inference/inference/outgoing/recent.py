"""What happened since the last telemetry message, in numbers that can be added up.

The counters of telemetry run since the start, so that a lost message loses nothing. Whoever adds
the numbers of many cores, or draws them over time, needs the increments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from ..pipeline.results import FrameResult

_TOTALS = ("failed", "samples", "dropped")


@dataclass
class RecentCounts:
    """Collects frames and scores, and the increments of counters that run since the start."""

    _frames: int = 0
    _scored: int = 0
    _confidence: float = 0.0
    _totals: Mapping[str, int] = field(default_factory=dict)

    def add(self, result: FrameResult) -> None:
        """Count a frame, and the score of its best prediction, if it has one."""
        self._frames += 1
        if result.predictions:
            self._scored += 1
            self._confidence += result.predictions[0].score

    def take(self, *, seconds: float, failed: int, samples: int, dropped: int) -> dict[str, Any]:
        """Return the numbers of the last ``seconds``, and begin again.

        The others are counters that run since the start. ``confidence`` is the mean of the best
        score of each frame with a prediction; without any such frame it is left out.
        """
        totals = dict(zip(_TOTALS, (failed, samples, dropped)))
        recent: dict[str, Any] = {"seconds": round(seconds, 1), "predicted": self._frames}
        for name, total in totals.items():
            recent[name] = max(0, total - self._totals.get(name, 0))
        if self._scored:
            recent["confidence"] = round(self._confidence / self._scored, 4)
        self._frames, self._scored, self._confidence = 0, 0, 0.0
        self._totals = totals
        return recent
