"""Pictures small enough for a message."""

from __future__ import annotations

from typing import Any

import cv2

from ..errors import FrameError

_STEPS = (
    (400, 60),
    (400, 45),
    (320, 60),
    (320, 45),
    (320, 32),
    (240, 45),
    (240, 32),
    (160, 45),
    (160, 25),
    (96, 25),
)
"""Longest side in pixels and JPEG quality, tried in this order."""


class Thumbnails:
    """Encodes images as JPEG of at most a number of bytes, as large as fits.

    It begins near what fitted last, because the images of one camera are alike.
    """

    def __init__(self) -> None:
        self._step = 0

    def __call__(self, image: Any, room: int) -> bytes:
        """Return ``image``, uint8 blue-green-red, as JPEG of at most ``room`` bytes.

        Raises:
            FrameError: if it cannot be encoded, or no size fits.
        """
        small, side = image, 0
        try:
            for step in range(max(0, self._step - 1), len(_STEPS)):
                longest, quality = _STEPS[step]
                if longest != side:
                    small, side = _reduced(small, longest), longest
                encoded, data = cv2.imencode(
                    ".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
                )
                if encoded and len(data) <= room:
                    self._step = step
                    return bytes(data)
        except (cv2.error, MemoryError) as error:
            raise FrameError(f"cannot be encoded as a small JPEG: {error}") from None
        raise FrameError(f"does not fit into {room} bytes as a small JPEG")


def _reduced(image: Any, longest: int) -> Any:
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
