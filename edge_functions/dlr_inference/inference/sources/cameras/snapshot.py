"""Stills from a camera's web server, fetched again for each frame."""

from __future__ import annotations

import threading
import time
import zlib
from typing import Any, Callable
from urllib.error import HTTPError

from ...errors import FrameError
from ...redaction import redacted_url
from ...vision.geometry import Reduction, whole
from ...vision.images import decode_reduced
from ..tls import VERIFIED, Tls
from .attempt import Still
from .http_client import HttpClient, explained
from .jpeg_bytes import JPEG_START, ends_as_jpeg, first_jpeg

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 16 << 20
MIN_INTERVAL_SECONDS = 0.2

_CHUNK_BYTES = 64 << 10
_MAX_VALIDATOR = 1024


class SnapshotCapture:
    """Fetches one URL repeatedly; user and password in it are sent by Basic or Digest.

    A still that is unchanged according to its ETag or date is not a new frame.
    """

    frame_rate = 0.0
    lead_seconds = 0.0

    def __init__(
        self,
        url: str,
        *,
        tls: Tls = VERIFIED,
        reduction: Reduction = whole,
        timeout: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
        min_interval: float = MIN_INTERVAL_SECONDS,
        wait: Callable[[float], Any] | None = None,
    ) -> None:
        """``timeout`` is for a complete still; requests start at least ``min_interval`` apart.

        ``reduction`` says at which fraction of its size a JPEG may be decoded.
        """
        self._name = redacted_url(url)
        self._reduction = reduction
        self._client = HttpClient(url, tls)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._min_interval = min_interval
        self._wait = wait or threading.Event().wait
        self._validators: dict[str, str] = {}
        self._due = 0.0

    def grab(self) -> None:
        """Wait until the next still may be fetched."""
        self._wait(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + self._min_interval

    def retrieve(self) -> Still | None:
        """Fetch the still, or return None if it has not changed.

        Raises:
            FrameError: if the answer is not an image, or is too large.
            OSError: with the reason, if there is no answer.
        """
        started = time.monotonic()
        with explained():
            try:
                with self._client.get(self._validators, self._timeout) as response:
                    data = self._body(response)
                    headers = response.headers
            except HTTPError as error:
                if error.code == 304:
                    return None
                raise
        decoded = decode_reduced(data, self._name, self._reduction)
        self._remember(headers)
        milliseconds = (time.monotonic() - started) * 1e3
        return Still(decoded.image, data, milliseconds, decoded.size)

    def close(self) -> None:
        """Do nothing: each still has its own connection."""

    def _body(self, response: Any) -> bytes:
        is_multipart = response.headers.get_content_maintype() == "multipart"
        length = response.headers.get("Content-Length", "")[:20]
        expected = int(length) if length.isascii() and length.isdigit() else 0
        if expected > self._max_bytes:
            raise FrameError(f"{self._name}: is larger than {self._max_bytes} bytes")
        body = bytearray()
        while True:
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                break
            body += chunk
            if len(body) > self._max_bytes:
                raise FrameError(f"{self._name}: is larger than {self._max_bytes} bytes")
            if is_multipart and first_jpeg(body):  # there may be no end
                break
        if is_multipart:
            return self._first_part(bytes(body))
        data = bytes(body)
        if len(data) < expected and not ends_as_jpeg(data):
            raise FrameError(f"{self._name}: ended after {len(data)} of {expected} bytes")
        if response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip"):
            data = self._unpacked(data)
        return data.lstrip(b"\r\n")

    def _first_part(self, data: bytes) -> bytes:
        """Return the first picture of a still that is sent as if it were a stream."""
        picture = first_jpeg(data) or (data if data.startswith(JPEG_START) else b"")
        if not picture:
            raise OSError("it is a stream without a JPEG: leave out snapshot+ before the address")
        return picture

    def _unpacked(self, data: bytes) -> bytes:
        try:
            unpacker = zlib.decompressobj(wbits=31)
            unpacked = unpacker.decompress(data, self._max_bytes)
        except zlib.error as error:
            raise FrameError(f"{self._name}: cannot be unpacked: {error}") from None
        if not unpacker.eof:
            raise FrameError(f"{self._name}: is truncated, or larger than {self._max_bytes} bytes")
        return unpacked

    def _remember(self, headers: Any) -> None:
        named = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        found = {ours: headers.get(theirs) for ours, theirs in named.items()}
        self._validators = {
            ours: value for ours, value in found.items() if value and len(value) <= _MAX_VALIDATOR
        }
