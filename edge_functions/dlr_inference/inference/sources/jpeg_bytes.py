"""Finds the ends of JPEG files in what cameras send."""

from __future__ import annotations

JPEG_START = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_SCAN = 0xDA
_PADDING = b"\r\n\0"


def ends_as_jpeg(data: bytes) -> bool:
    """Return whether ``data`` is a JPEG file with its end, perhaps with padding behind it."""
    return data.startswith(JPEG_START) and data.rstrip(_PADDING).endswith(_END)


def first_jpeg(data: bytes | bytearray) -> bytes:
    """Return the first complete JPEG file in ``data``, or nothing.

    The segments before the picture's own data are skipped by their lengths, because a thumbnail in
    one of them has an end of its own.
    """
    start = data.find(JPEG_START)
    at = start + 2
    while start >= 0 and at + 4 <= len(data) and data[at] == 0xFF:
        is_scan = data[at + 1] == _SCAN
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if is_scan:
            break
    end = data.find(_END, at) if start >= 0 else -1
    return bytes(data[start : end + 2]) if end >= 0 else b""
