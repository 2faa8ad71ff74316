"""Measures how far apart the key frames of a stream are."""

from __future__ import annotations

import time
from collections import deque
from typing import Callable

_REMEMBERED = 3


class KeyFrames:
    """The longest of the last distances between key frames, in seconds of arrival."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` is in seconds."""
        self._clock = clock
        self._last: float | None = None
        self._distances: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self) -> None:
        """Note that a key frame has arrived."""
        now = self._clock()
        if self._last is not None:
            self._distances.append(now - self._last)
        self._last = now

    @property
    def distance(self) -> float | None:
        """Seconds between two key frames, or None until two distances were measured.

        It grows while the next key frame is late. What arrives first is often older, and in a
        hurry, so one distance says little.
        """
        if self._last is None or len(self._distances) < 2:
            return None
        return max(*self._distances, self._clock() - self._last)
