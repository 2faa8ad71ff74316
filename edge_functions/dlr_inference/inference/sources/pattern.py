"""A moving test picture with its frame number, to try a core without a camera."""

from __future__ import annotations

import time

import cv2
import numpy as np

from .frame import Frame, FrameSource
from .specification import Mode
from .status import STOPPED, STREAMING, SourceStatus, StatusKeeper

_BAR_SHARE = 8
_BAR_PIXELS_A_FRAME = 8


class PatternSource(FrameSource):
    """A gradient, a bar that moves to the right, and the frame number; drawn on request."""

    def __init__(self, name: str, mode: Mode) -> None:
        """``mode`` gives width and height."""
        self._name = name
        self._mode = mode
        self._keeper = StatusKeeper(name)
        self._keeper.enter(STREAMING)

    def read(self) -> Frame | None:
        """Return the next picture, or None when closed."""
        if self._keeper.status.state == STOPPED:
            return None
        captured_at, started = time.time(), time.perf_counter()
        self._keeper.count(frames=1)
        number = self._keeper.status.frames
        image = draw(number, self._mode.width, self._mode.height)
        capture_ms = (time.perf_counter() - started) * 1e3
        return Frame(number, self._name, image, None, captured_at, capture_ms)

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return the one status."""
        return (self._keeper.status,)

    def close(self) -> None:
        """End the source."""
        self._keeper.enter(STOPPED)


def draw(number: int, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return picture ``number``: uint8 of shape (height, width, 3), blue-green-red."""
    image = np.empty((height, width, 3), np.uint8)
    image[:, :, 0] = np.linspace(0, 255, width, dtype=np.uint8)
    image[:, :, 1] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
    image[:, :, 2] = 64
    left = number * _BAR_PIXELS_A_FRAME % width
    image[:, left : left + max(1, width // _BAR_SHARE)] = (255, 255, 255)
    scale = max(height / 120, 0.3)
    place = (max(1, width // 20), max(1, height * 3 // 5))
    cv2.putText(image, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 255), 2)
    return image
