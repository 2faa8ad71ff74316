"""Decodes image files and camera stills, and encodes images as JPEG."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..errors import FrameError
from .geometry import Reduction, Size, whole
from .image_header import ImageHeader, read_header
from .orientation import turned

cv2.setNumThreads(1)  # images are small: more threads would only disturb the model's
cv2.setLogLevel(0)  # its messages are raised here, with the name of the image

_AHEAD = 16
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_TWELVE_BITS, _SIXTEEN_BITS = 4095, 65535


@dataclass(frozen=True)
class DecodedImage:
    """``image`` may be smaller than the file's ``size``."""

    image: Any
    size: Size


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

    Grey images get three equal channels, transparent ones a white background as in a browser. CMYK
    is converted, and the orientation in EXIF data is applied. 16 bits become 8; a 16-bit image
    without a value over 4095 has 12 bits, as industrial cameras store them. Truncated data is
    refused.

    Raises:
        FrameError: if ``data`` is not a complete image, with ``name`` in the message.
    """
    return decode_reduced(data, name, whole).image


def decode_reduced(data: bytes, name: str, reduction: Reduction) -> DecodedImage:
    """Return the image as :func:`decode` does, if it is a JPEG at a fraction of its size.

    That takes a fraction of the time: of each block of 8 × 8 pixels only the lower frequencies are
    transformed.

    Raises:
        FrameError: as :func:`decode`.
    """
    if not data:
        raise FrameError(f"{name}: the file is empty")
    header = read_header(data)
    if header.refused:
        raise FrameError(f"{name}: is {header.refused}; use JPEG, PNG, WebP, TIFF or BMP")
    divisor = _divisor(header, reduction)
    try:
        image = None if header.rejected else _decoded(data, header, divisor)
    except (cv2.error, MemoryError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error) else "out of memory"
        if "MAX_IMAGE" in reason:
            most = os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS")
            reason = f"it has more than {most} pixels, the limit of OPENCV_IO_MAX_IMAGE_PIXELS"
        raise FrameError(f"{name}: cannot be decoded: {reason}") from None
    if image is None:
        if header.kind:
            raise FrameError(f"{name}: is {header.kind}; use JPEG, PNG, WebP, TIFF or BMP")
        raise FrameError(f"{name}: is not an image, or is damaged or truncated ({len(data)} bytes)")
    height, width = image.shape[:2]
    if divisor == 1 or header.size is None:
        return DecodedImage(image, (width, height))
    is_turned = header.orientation.a == 0
    return DecodedImage(image, header.size[::-1] if is_turned else header.size)


def _divisor(header: ImageHeader, reduction: Reduction) -> int:
    """Return the reduction that is allowed, whichever way EXIF data turns the image."""
    if header.size is None:
        return 1
    width, height = header.size
    return min(reduction(width, height), reduction(height, width))


def _decoded(data: bytes, header: ImageHeader, divisor: int) -> Any:
    # OpenCV finds the orientation of a JPEG only if it is in the first segment.
    colours = _REDUCED.get(divisor, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    flags = cv2.IMREAD_UNCHANGED if header.as_stored else colours
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None and data.startswith(b"\xff\xd8\xff") and not header.kind:
        # Some cameras leave out the last two bytes. The decoder reads ahead, and gives up where
        # more than that is missing.
        image = cv2.imdecode(np.frombuffer(data.rstrip(b"\xff") + bytes(_AHEAD), np.uint8), flags)
    if image is None:
        return None
    if header.as_stored:
        image = _opaque(image, header)
    return turned(image, header.orientation)


def _opaque(image: Any, header: ImageHeader) -> Any:
    """Return an image as it was stored, with 8 bits and three channels, before white."""
    if image.ndim == 2:
        grey = cv2.cvtColor(_eight_bits(image, header.maximum), cv2.COLOR_GRAY2BGR)
        if header.transparent is not None:
            grey[image == header.transparent] = 255
        return grey
    colours = _eight_bits(image[:, :, :3], header.maximum)
    if image.shape[2] < 4:
        return colours
    alpha = image[:, :, 3:].astype(np.uint16)
    if image.dtype == np.uint16:
        alpha >>= 8
    mixed = colours.astype(np.uint16)
    mixed *= 255 if header.premultiplied else alpha
    mixed += 255 * (255 - alpha) + 127
    return np.minimum(mixed // 255, 255).astype(np.uint8)


def _eight_bits(image: Any, maximum: int | None) -> Any:
    if image.dtype == np.uint16 and maximum is None:
        maximum = _TWELVE_BITS if image.max(initial=0) <= _TWELVE_BITS else _SIXTEEN_BITS
    if image.dtype == np.uint8 and (maximum is None or maximum >= 255):
        return np.ascontiguousarray(image)
    if maximum == _SIXTEEN_BITS:
        return (image >> 8).astype(np.uint8)
    white = maximum or 1
    scaled = image.astype(np.uint32)
    scaled *= 255
    scaled += white // 2
    scaled //= white
    return np.minimum(scaled, 255).astype(np.uint8)
