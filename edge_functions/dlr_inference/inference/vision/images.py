"""Decoding of image files and camera stills."""

from __future__ import annotations

import os
import re
from typing import Any

import cv2
import numpy as np

from ..errors import FrameError

cv2.setNumThreads(1)  # images are small: more threads would only disturb the model's
_FORMATS = {
    "GIF": rb"GIF8",
    "HEIC": rb".{4}ftyp(hei|hev|mif|msf)",
    "AVIF": rb".{4}ftypavi",
    "JPEG XL": rb"\xff\x0a|.{4}JXL ",
    "PDF": rb"%PDF",
    "a web page or other text": rb"\s*[<{]",
}
"""First bytes of files that are given as images, but that OpenCV may not decode."""

cv2.setLogLevel(0)  # its messages are raised here, with the name of the image


def encode_jpeg(image: Any, name: str) -> bytes:
    """Return an image, uint8 of shape (height, width, 3) in blue-green-red, as a JPEG file.

    Raises:
        FrameError: if OpenCV cannot encode it, with ``name`` in the message.
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
        FrameError: if ``data`` is not a complete image, with ``name`` in the message.
    """
    if not data:
        raise FrameError(f"{name}: the file is empty")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error) else "out of memory"
        if "MAX_IMAGE" in reason:
            most = os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS")
            reason = f"it has more than {most} pixels, the limit of OPENCV_IO_MAX_IMAGE_PIXELS"
        raise FrameError(f"{name}: cannot be decoded: {reason}") from None
    if image is None:
        for kind, beginning in _FORMATS.items():
            if re.match(beginning, data[:64], re.DOTALL):
                raise FrameError(f"{name}: is {kind}; use JPEG, PNG, WebP, TIFF or BMP")
        raise FrameError(f"{name}: is not an image, or is damaged or truncated ({len(data)} bytes)")
    return image
