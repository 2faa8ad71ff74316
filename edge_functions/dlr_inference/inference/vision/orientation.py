"""How a picture is turned and mirrored to be upright: EXIF, and a video's display matrix."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import cv2


class Orientation(NamedTuple):
    """Where a pixel belongs: x' = a x + c y, y' = b x + d y; two of the four are 0."""

    a: int
    b: int
    c: int
    d: int


UPRIGHT = Orientation(1, 0, 0, 1)
# EXIF 2.32, 4.6.4 A: the tag Orientation.
_EXIF = {
    2: Orientation(-1, 0, 0, 1),
    3: Orientation(-1, 0, 0, -1),
    4: Orientation(1, 0, 0, -1),
    5: Orientation(0, 1, 1, 0),
    6: Orientation(0, 1, -1, 0),
    7: Orientation(0, -1, -1, 0),
    8: Orientation(0, -1, 1, 0),
}
_ORIENTATION_TAG = 274


def turned(image: Any, orientation: Orientation) -> Any:
    """Return ``image`` upright."""
    a, b, c, d = orientation
    swapped = a == 0
    if swapped:
        image = cv2.transpose(image)
    mirrored, upside_down = (c < 0, b < 0) if swapped else (a < 0, d < 0)
    if mirrored and upside_down:
        return cv2.flip(image, -1)
    if mirrored or upside_down:
        return cv2.flip(image, 1 if mirrored else 0)
    return image


def of_exif(exif: bytes) -> Orientation:
    """Return the orientation in EXIF data, which is upright if it has none."""
    tags = tiff_tags(exif[6:] if exif.startswith(b"Exif\0\0") else exif)
    return _EXIF.get(tags.get(_ORIENTATION_TAG, (1,))[0], UPRIGHT)


def tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Return the tags of a TIFF file's first picture that are whole numbers of 16 or 32 bits."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    tags: dict[int, tuple[int, ...]] = {}
    if order is None:
        return tags
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (entries,) = struct.unpack_from(order + "H", data, at)
        for index in range(entries):
            tag, kind, count = struct.unpack_from(order + "HHI", data, at + 2 + 12 * index)
            letter, size = {3: ("H", 2), 4: ("I", 4)}.get(kind, ("", 0))
            if letter and 1 <= count <= 16:
                place = at + 10 + 12 * index
                if count * size > 4:
                    (place,) = struct.unpack_from(order + "I", data, place)
                tags[tag] = struct.unpack_from(f"{order}{count}{letter}", data, place)
    except struct.error:
        pass  # truncated: the decoder reports it
    return tags


def of_matrix(matrix: bytes) -> Orientation:
    """Return the orientation in a video's display matrix, nine integers of the machine's order.

    It is upright for a matrix that turns by less than a quarter. ISO/IEC 14496-12, 8.3.2.

    Raises:
        struct.error: if it is shorter.
    """
    a, b, _, c, d = ((one > 0) - (one < 0) for one in struct.unpack_from("=5i", matrix))
    if (a and d and not b and not c) or (b and c and not a and not d):
        return Orientation(a, b, c, d)
    return UPRIGHT
