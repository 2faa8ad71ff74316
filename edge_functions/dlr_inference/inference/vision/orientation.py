"""How a picture is turned and mirrored to be upright: EXIF, and a video's display matrix."""

from __future__ import annotations

import contextlib
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

_MOST_TAGS = 1000
_WHOLE_NUMBERS = {3: "H", 4: "I", 16: "Q"}


class _Directory(NamedTuple):
    """How a TIFF file writes where its first directory is, how many entries that has, and each."""

    order: str
    first: int
    offset: str
    entries: str

    @property
    def entry_size(self) -> int:
        return 4 + 2 * struct.calcsize(self.offset)


# TIFF 6.0, section 2; BigTIFF: https://www.awaresystems.be/imaging/tiff/bigtiff.html.
_DIRECTORIES = {
    b"II*\0": _Directory("<", 4, "<I", "<H"),
    b"MM\0*": _Directory(">", 4, ">I", ">H"),
    b"II+\0": _Directory("<", 8, "<Q", "<Q"),
    b"MM\0+": _Directory(">", 8, ">Q", ">Q"),
}
TIFF_BEGINNINGS = tuple(_DIRECTORIES)


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
    """Return the tags of a TIFF file's first picture that are whole numbers, BigTIFF included."""
    form = _DIRECTORIES.get(data[:4])
    tags: dict[int, tuple[int, ...]] = {}
    if form is None:
        return tags
    with contextlib.suppress(struct.error, OverflowError):  # truncated: the decoder reports it
        (start,) = struct.unpack_from(form.offset, data, form.first)
        (entries,) = struct.unpack_from(form.entries, data, start)
        start += struct.calcsize(form.entries)
        for index in range(min(entries, _MOST_TAGS)):
            at = start + index * form.entry_size
            tag, kind = struct.unpack_from(form.order + "HH", data, at)
            (count,) = struct.unpack_from(form.offset, data, at + 4)
            if kind in _WHOLE_NUMBERS and 1 <= count <= 16:
                numbers = f"{form.order}{count}{_WHOLE_NUMBERS[kind]}"
                place = at + form.entry_size - struct.calcsize(form.offset)
                if struct.calcsize(numbers) > struct.calcsize(form.offset):
                    (place,) = struct.unpack_from(form.offset, data, place)
                tags[tag] = struct.unpack_from(numbers, data, place)
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
