"""MJPEG over HTTP: a response without end, of one JPEG file after the other."""

from __future__ import annotations

import socket
import time
from typing import Any, Callable

from ...vision.geometry import Reduction, whole
from ...vision.image_header import read_header
from ...vision.images import decode_reduced
from ..specification import MAX_PIXELS
from . import attempt
from .attempt import Still, no_picture_for
from .http_client import HttpClient, explained
from .jpeg_bytes import JPEG_START, JpegSplitter

SLOW_SECONDS = 20.0
"""How long the next picture may take if the camera has not shown yet that it is faster."""

ENDED_AFTER_ONE = "it ended after one frame; for a still write snapshot+ before the address"

_TYPES = ("image/jpeg", "image/jpg", "video/x-motion-jpeg")
_CHUNK_BYTES = 64 << 10
_MAX_BYTES = 16 << 20
_GAPS = 3


def is_mjpeg(response: Any) -> bool:
    """Return whether a response is MJPEG by its type; if not, see :func:`begins_as_mjpeg`."""
    headers = response.headers
    return headers.get_content_maintype() == "multipart" or headers.get_content_type() in _TYPES


def begins_as_mjpeg(data: bytes) -> bool:
    """Return whether the first bytes of a response are a picture, or a head of one."""
    return data.lstrip(b"\r\n").lower().startswith((JPEG_START, b"--", b"content-"))


class MjpegCapture:
    """The pictures of a response; those that nobody asks for are not decoded."""

    frame_rate = 0.0
    lead_seconds = 0.0

    def __init__(
        self,
        name: str,
        client: HttpClient,
        response: Any,
        *,
        beginning: bytes = b"",
        reduction: Reduction = whole,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``name`` must be redacted; ``beginning`` was read from ``response`` already.

        ``reduction`` says at which fraction of its size a picture may be decoded; ``clock`` is in
        seconds.
        """
        self._reduction = reduction
        self._clock = clock
        self._name = name
        self._client = client
        self._response = response
        self._splitter = JpegSplitter()
        self._splitter.feed(beginning)
        self._picture = b""
        self._pictures = 0
        self._came: float | None = None
        self._patience = SLOW_SECONDS

    def grab(self) -> None:
        """Wait for the next picture.

        A camera that sends few pictures a minute gets the time that they take.

        Raises:
            OSError: if it does not come.
        """
        self._picture = self._next()
        self._pictures += 1
        now = self._clock()
        if self._came is not None:
            self._patience = max(
                attempt.READ_SECONDS, min(SLOW_SECONDS, _GAPS * (now - self._came))
            )
        self._came = now

    def retrieve(self) -> Still:
        """Decode the picture.

        Raises:
            OSError: if it would fill the memory.
        """
        started = time.perf_counter()
        width, height = read_header(self._picture).size or (0, 0)
        if width * height > MAX_PIXELS:
            raise OSError(f"its pictures of {width}x{height} pixels are too large")
        decoded = decode_reduced(self._picture, self._name, self._reduction)
        milliseconds = (time.perf_counter() - started) * 1e3
        return Still(decoded.image, self._picture, milliseconds, decoded.size)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    def _next(self) -> bytes:
        deadline = self._clock() + self._patience
        while True:
            picture = self._splitter.take()
            if picture:
                return picture
            left = deadline - self._clock()
            if left <= 0 or len(self._splitter) > _MAX_BYTES:
                raise OSError(no_picture_for(self._patience))
            chunk = self._read(left)
            if not chunk:
                return self._last()
            self._splitter.feed(chunk)

    def _read(self, seconds: float) -> bytes:
        """Return what has arrived, or nothing at the end; wait for ``seconds`` at most."""
        self._client.set_patience(seconds)
        with explained():
            try:
                return bytes(self._response.read1(_CHUNK_BYTES))
            except socket.timeout:
                raise TimeoutError(no_picture_for(self._patience)) from None

    def _last(self) -> bytes:
        picture = self._splitter.rest()
        if picture:
            return picture
        raise OSError(ENDED_AFTER_ONE if self._pictures == 1 else "it ended")
