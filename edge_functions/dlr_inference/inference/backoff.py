"""How long to wait before the next attempt: longer each time up to a cap, with jitter."""

from __future__ import annotations

import random
from typing import Callable


class Backoff:
    """Waits that double from ``first`` to ``cap`` seconds, each randomly shortened by up to half.

    The jitter keeps a fleet that lost its broker at once from reconnecting at once.
    """

    def __init__(
        self, *, first: float, cap: float, rng: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._cap = cap
        self._rng = rng
        self._tries = 0

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        full = min(self._cap, self._first * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return full * (1 - self._rng() / 2)

    def reset(self) -> None:
        """Start again from ``first``, after a success."""
        self._tries = 0
