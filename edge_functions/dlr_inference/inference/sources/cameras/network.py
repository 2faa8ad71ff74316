"""Opens a stream over the network: MJPEG by its own reader, everything else through PyAV."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import Any

from ...vision.geometry import Reduction, whole
from ..specification import Stream
from . import attempt, decoding, pyav
from .attempt import Capture
from .capture import Limits
from .demand import Demand
from .http_client import HttpClient, explained
from .mjpeg import MjpegCapture, begins_as_mjpeg, is_mjpeg

LIMITS = Limits(open_seconds=20.0, read_seconds=25.0)
"""Longer than the limits of HTTP and FFmpeg, which end what hangs themselves."""

PLAYLIST_SECONDS = 20.0
"""How long the next file of a playlist may take: one of HLS often lasts 6 to 10 s."""

_SNIFFED_BYTES = 16
_HLS = b"#EXTM3U"
_XML = b"<"


def open_network(stream: Stream, demand: Demand, reduction: Reduction = whole) -> Capture:
    """Open ``stream``; ``demand`` is how often its pictures are requested.

    ``reduction`` says at which fraction of its size a JPEG may be decoded.

    Raises:
        OSError: if it does not answer in time, refuses, or is not a video.
    """
    if stream.url.startswith("http"):
        return _open_http(stream, demand, reduction)
    return pyav.open_stream(stream, demand, attempt.READ_SECONDS)


def _open_http(stream: Stream, demand: Demand, reduction: Reduction) -> Capture:
    """Return the capture of what a web server sends without end, or of a file or playlist.

    FFmpeg requires boundaries, types and lengths of MJPEG that many a camera does not send. For
    a file or a playlist it makes requests of its own.
    """
    client = HttpClient(stream.url, stream.tls)
    with explained(), ExitStack() as opened:
        response = client.open(pyav.OPEN_SECONDS)
        opened.callback(response.close)
        client.set_patience(attempt.READ_SECONDS)
        is_sniffed = not is_mjpeg(response)
        beginning = bytes(response.read(_SNIFFED_BYTES)) if is_sniffed else b""
        if not is_sniffed or begins_as_mjpeg(beginning):
            opened.pop_all()
            return MjpegCapture(
                stream.name, client, response, beginning=beginning, reduction=reduction
            )
        if response.headers.get_content_type() == "text/html":
            raise OSError(pyav.NO_VIDEO)
        is_xml = beginning.startswith(_XML)
        if is_xml and not pyav.reads_dash():
            raise OSError(pyav.NO_DASH)
        is_playlist = is_xml or beginning.startswith(_HLS)
        if response.length is None and not is_playlist:
            opened.pop_all()
            return pyav.open_body(HttpBody(response, beginning), demand)
    seconds = PLAYLIST_SECONDS if is_playlist else attempt.READ_SECONDS
    return pyav.open_stream(stream, demand, seconds)


class HttpBody:
    """The body of a response, as PyAV reads it from a file."""

    def __init__(self, response: Any, beginning: bytes) -> None:
        """``beginning`` was read from ``response`` already."""
        self._response = response
        self._beginning = beginning
        self._has_failed = False
        self.expect_within(decoding.FIRST_PICTURE_SECONDS)

    def expect_within(self, seconds: float) -> None:
        """Let reading end if what arrives in that time is not a frame: FFmpeg would read on."""
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def read(self, size: int) -> bytes:
        """Return what has arrived, at most ``size`` bytes; nothing at the end, or after a failure.

        Raises:
            OSError: with the reason.
        """
        if self._beginning:
            data, self._beginning = self._beginning[:size], self._beginning[size:]
            return data
        if self._has_failed:  # FFmpeg reads on, and PyAV would print a second exception
            return b""
        try:
            return self._next(size)
        except BaseException:
            self._has_failed = True
            raise

    def _next(self, size: int) -> bytes:
        with explained():
            try:
                data = bytes(self._response.read1(size))
            except socket.timeout:
                raise TimeoutError(f"no frame came for {attempt.READ_SECONDS:g} s") from None
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"no frame came for {self._seconds:g} s")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
