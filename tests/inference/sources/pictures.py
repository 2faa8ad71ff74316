"""A picture to encode in many ways."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

GRADIENT = np.dstack([np.tile(np.arange(64, dtype=np.uint8), (48, 1))] * 3)


def encoded(extension: str, image: Any = GRADIENT) -> bytes:
    ok, data = cv2.imencode(extension, image)
    assert ok
    return bytes(data.tobytes())
