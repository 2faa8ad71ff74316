"""feedbackRateLimit: how many samples a core keeps per hour, shared fairly by its strategies."""

from __future__ import annotations

import threading
import time
from typing import Callable, Sequence

DEFAULT_RATE_LIMIT = 60
"""One sample per minute: 43,800 per month, which is what one person can look through."""

_HOUR = 3_600.0
_BURST_SECONDS = 900.0
"""After a quiet time, a quarter of an hour's samples may come at once: events come in groups."""


class RateLimiter:
    """Grants samples to configurations: each has its share, and what one leaves goes to others.

    So a strategy that chooses half of all frames does not displace a rare one. A limit of 0 is no
    limit.
    """

    def __init__(
        self,
        samples_an_hour: int,
        config_ids: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = samples_an_hour
        most = self._most(len(config_ids))
        self._levels = dict.fromkeys(config_ids if samples_an_hour else (), most)
        self._spare = 0.0
        self._filled_at = clock()

    def change(self, samples_an_hour: int, config_ids: Sequence[str]) -> None:
        """Share another limit, between these configurations.

        One that had a share before keeps what is left of it. A new one begins with all that may
        come at once, so that its effect is seen soon.
        """
        with self._lock:
            self._refill()
            self._limit = samples_an_hour
            if not samples_an_hour:  # none is used up
                self._levels = {one: n for one, n in self._levels.items() if one in config_ids}
                return
            most = self._most(len(config_ids))
            self._levels = {one: min(most, self._levels.get(one, most)) for one in config_ids}

    def take(self, config_id: str) -> bool:
        """Take one sample for a configuration; return False if the limit does not allow it now."""
        with self._lock:
            if not self._limit:
                return True
            self._refill()
            if self._levels.get(config_id, 0.0) >= 1.0:
                self._levels[config_id] -= 1.0
                return True
            if self._spare >= 1.0:
                self._spare -= 1.0
                return True
            return False

    def _most(self, configurations: int) -> float:
        """Return how many samples a configuration may save up."""
        return max(1.0, self._limit / max(1, configurations) * _BURST_SECONDS / _HOUR)

    def _refill(self) -> None:
        """Add to each share what the elapsed time allows; what does not fit is spare."""
        now = self._clock()
        added = (now - self._filled_at) * self._limit / _HOUR / max(1, len(self._levels))
        self._filled_at = now
        if not self._limit:
            return
        most = self._most(len(self._levels))
        for config_id, level in self._levels.items():
            self._levels[config_id] = min(most, level + added)
            self._spare += max(0.0, level + added - most)
        self._spare = min(self._spare, most)
