"""Predicts when the next frame is requested, so that no other needs to be decoded."""

from __future__ import annotations

import time
from typing import Callable

LEAD_SECONDS = 0.1
"""Decoding starts this long before the next expected request."""


class Demand:
    """Expects the pause between a frame and the next request to be as long as the last pause.

    An earlier request waits for the next picture; a camera takes many per second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` is in seconds."""
        self.clock = clock
        self.pause = 0.0
        """The seconds between a frame and the next request, 0 if they are not known yet."""
        self._asked = False
        self._given: float | None = None

    def ask(self) -> None:
        """Note that a frame is requested; a repeated request changes nothing."""
        if not self._asked and self._given is not None:
            self.pause = self.clock() - self._given
        self._asked = True

    def give(self) -> None:
        """Note that the frame was delivered."""
        self._asked = False
        self._given = self.clock()

    def is_near(self, lead_seconds: float = 0.0) -> bool:
        """Return whether a frame is requested, or soon will be.

        ``lead_seconds``: how long it may take until another picture can be decoded.
        """
        if self._asked or self._given is None:
            return True
        return self.clock() >= self._given + self.pause - LEAD_SECONDS - lead_seconds
