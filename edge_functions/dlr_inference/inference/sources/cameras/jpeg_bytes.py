"""Finds the ends of JPEG files in what cameras send."""

from __future__ import annotations

JPEG_START = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_SCAN = 0xDA
_PADDING = b"\r\n\0"
_BOUNDARY_BYTES = 512  # of a boundary and the headers behind it


def ends_as_jpeg(data: bytes) -> bool:
    """Return whether ``data`` is a JPEG file with its end, perhaps with padding behind it."""
    return data.startswith(JPEG_START) and data.rstrip(_PADDING).endswith(_END)


def first_jpeg(data: bytes | bytearray) -> bytes:
    """Return the first complete JPEG file in ``data``, or nothing."""
    start = data.find(JPEG_START)
    end = data.find(_END, _after_segments(data, start)) if start >= 0 else -1
    return bytes(data[start : end + 2]) if end >= 0 else b""


class JpegSplitter:
    """Cuts a stream into its JPEG files, whatever stands between them.

    Cameras state boundaries and lengths of parts wrongly, so only the pictures themselves count. A
    picture without its end lasts until the next one begins.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Add what has arrived."""
        self._data += data

    def take(self) -> bytes:
        """Return the next picture, or nothing if it is not there completely."""
        data = self._data
        start = data.find(JPEG_START)
        if start != 0:
            del data[: start if start >= 0 else max(0, len(data) - len(JPEG_START) + 1)]
            self._searched = 0
        if start < 0:
            return b""
        at = max(_after_segments(data, 0), self._searched)
        end, following = data.find(_END, at), data.find(JPEG_START, at)
        if end < 0 and following < 0:
            self._searched = max(at, len(data) - len(JPEG_START) + 1)
            return b""
        is_whole = end >= 0 and (following < 0 or end < following)
        length = end + len(_END) if is_whole else following
        picture = bytes(data[:length])
        del data[:length]
        self._searched = 0
        return picture if is_whole else _before_boundary(picture)

    def rest(self) -> bytes:
        """Return the picture that nothing follows, if there is one."""
        picture = bytes(self._data)
        self._data.clear()
        return _before_boundary(picture) if picture.startswith(JPEG_START) else b""


def _after_segments(data: bytes | bytearray, start: int) -> int:
    """Return where the data of the picture itself begin, as far as ``data`` goes.

    The segments before are skipped by their lengths, because a thumbnail in one of them has a start
    and an end of its own.
    """
    at = start + 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        is_scan = data[at + 1] == _SCAN
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if is_scan:
            break
    return at


def _before_boundary(data: bytes) -> bytes:
    at = data.rfind(b"\n--", max(0, len(data) - _BOUNDARY_BYTES))
    return data[:at].rstrip(b"\r") if at >= 0 else data
