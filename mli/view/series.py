"""Points of a chart, one per second at most and of the last minutes only."""

from __future__ import annotations

from collections import deque

POINTS = 120
LENGTH_SECONDS = 300.0


class Series:
    """Means over slots of 2.5 s, of the last five minutes: memory is bounded at any rate."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, float, int]] = deque(maxlen=POINTS)

    def add(self, now: float, value: float) -> None:
        """Add a value at ``now`` in seconds."""
        slot = int(now * POINTS / LENGTH_SECONDS)
        if self._slots and self._slots[-1][0] == slot:
            _, total, count = self._slots[-1]
            self._slots[-1] = (slot, total + value, count + 1)
        else:
            self._slots.append((slot, value, 1))

    def points(self, now: float) -> list[tuple[float, float]]:
        """Return pairs of age in seconds and mean value, the oldest first."""
        oldest = int((now - LENGTH_SECONDS) * POINTS / LENGTH_SECONDS)
        return [
            (round(max(0.0, now - slot * LENGTH_SECONDS / POINTS), 1), round(total / count, 3))
            for slot, total, count in self._slots
            if slot >= oldest
        ]
