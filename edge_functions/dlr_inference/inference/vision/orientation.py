"""How a picture is turned and mirrored to be upright: EXIF, and the matrix of a video track."""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO, Iterator, NamedTuple, Tuple

import cv2


class Orientation(NamedTuple):
    """Where a pixel belongs: x' = a x + c y, y' = b x + d y; two of the four are 0."""

    a: int
    b: int
    c: int
    d: int


UPRIGHT = Orientation(1, 0, 0, 1)
_CLOCKWISE = {
    90: Orientation(0, 1, -1, 0),
    180: Orientation(-1, 0, 0, -1),
    270: Orientation(0, -1, 1, 0),
}
# EXIF 2.32, 4.6.4 A: the tag Orientation.
_EXIF = {
    2: Orientation(-1, 0, 0, 1),
    3: _CLOCKWISE[180],
    4: Orientation(1, 0, 0, -1),
    5: Orientation(0, 1, 1, 0),
    6: _CLOCKWISE[90],
    7: Orientation(0, -1, -1, 0),
    8: _CLOCKWISE[270],
}
_ORIENTATION_TAG = 274
_BOX = struct.Struct(">I4s")
_Extent = Tuple[int, int]


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


def by_degrees(clockwise: float) -> Orientation:
    """Return the orientation for a rotation, which is upright if it is none of 90, 180, 270."""
    return _CLOCKWISE.get(round(clockwise) % 360, UPRIGHT)


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


def of_video(path: str) -> Orientation | None:
    """Return the orientation of an MP4 or QuickTime file's first video track; None for others.

    ISO/IEC 14496-12, 8.3.2: the matrix in the box ``tkhd``.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return _of_movie(file, os.fstat(file.fileno()).st_size)
    except (OSError, struct.error):
        return None


def _of_movie(file: BinaryIO, size: int) -> Orientation | None:
    for movie in _boxes(file, (0, size), b"moov"):
        for track in _boxes(file, movie, b"trak"):
            for media in _boxes(file, track, b"mdia"):
                for start, _ in _boxes(file, media, b"hdlr"):
                    file.seek(start + 8)
                    if file.read(4) == b"vide":
                        return _of_track(file, track)
    return None


def _of_track(file: BinaryIO, track: _Extent) -> Orientation:
    for start, _ in _boxes(file, track, b"tkhd"):
        file.seek(start)
        header = file.read(88)
        at = 52 if header[:1] == b"\1" else 40  # its times have 64 bits or 32
        a, b, _, c, d = (
            (one > 0) - (one < 0) for one in struct.unpack_from(">5i", header, at)
        )  # fmt: skip
        if (a and d and not b and not c) or (b and c and not a and not d):
            return Orientation(a, b, c, d)
    return UPRIGHT


def _boxes(file: BinaryIO, within: _Extent, wanted: bytes) -> Iterator[_Extent]:
    """Yield the start and end of the content of each box of one kind."""
    start, end = within
    while start + _BOX.size <= end:
        file.seek(start)
        size, kind = _BOX.unpack(file.read(_BOX.size))
        head = _BOX.size
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            head += 8
        size = size or end - start
        if size < head:
            return
        if kind == wanted:
            yield start + head, min(end, start + size)
        start += size
