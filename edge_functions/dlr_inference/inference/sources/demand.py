"""When the next frame will be asked for, so that no other has to be decoded."""

from __future__ import annotations

import time
from typing import Callable

LEAD_SECONDS = 0.1
"""Pictures are decoded from so long before the next request is expected."""


class Demand:
    """Expects the pause between a frame and the request after it to be as long as the last one.

    A request that comes earlier waits for the next picture, of which a camera makes many a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` is in seconds."""
        self._clock = clock
        self._asked = False
        self._given: float | None = None
        self._pause = 0.0

    def ask(self) -> None:
        """Note that a frame is asked for; asking again before it came changes nothing."""
        if not self._asked and self._given is not None:
            self._pause = self._clock() - self._given
        self._asked = True

    def give(self) -> None:
        """Note that the frame was handed over."""
        self._asked = False
        self._given = self._clock()

    def is_near(self) -> bool:
        """Return whether a frame is asked for, or will be soon."""
        if self._asked or self._given is None:
            return True
        return self._clock() >= self._given + self._pause - LEAD_SECONDS
