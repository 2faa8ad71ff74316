"""Decoding of image files and camera stills."""

from __future__ import annotations

import os
from typing import Any

# Read by OpenCV when it is imported: a small file can unpack into an image that fills the memory.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(128 << 20))

import cv2
import numpy as np

from .errors import FrameError

cv2.setNumThreads(1)  # the images are small: threads of its own only disturb the model's
cv2.setLogLevel(0)  # what it would print is raised here, with the name of the image


def encode_jpeg(image: Any, name: str) -> bytes:
    """Return an image, uint8 of shape (height, width, 3) in blue-green-red, as a JPEG file.

    Raises:
        FrameError: if OpenCV cannot make one, with ``name`` in the message.
    """
    try:
        encoded, data = cv2.imencode(".jpg", image)
    except (cv2.error, MemoryError) as error:
        raise FrameError(f"{name}: cannot be encoded as JPEG: {error}") from None
    if not encoded:
        raise FrameError(f"{name}: cannot be encoded as JPEG")
    return bytes(data)


def decode(data: bytes, name: str) -> Any:
    """Return the image in ``data`` as uint8 of shape (height, width, 3), blue-green-red.

    Grey images get three equal channels, 16 bits become 8, transparency is dropped, CMYK is
    converted, and the orientation in EXIF data is applied. Truncated data is refused.

    Raises:
        FrameError: if ``data`` is no whole image, with ``name`` in the message.
    """
    if not data:
        raise FrameError(f"{name}: the file is empty")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error) else "out of memory"
        raise FrameError(f"{name}: cannot be decoded: {reason}") from None
    if image is None:
        raise FrameError(f"{name}: is not an image, or is damaged or truncated ({len(data)} bytes)")
    return image
