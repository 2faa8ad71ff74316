"""Stills from a camera's web server, fetched again for each frame."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.error
import zlib
from typing import Any, Callable

from ..errors import FrameError
from ..vision.images import decode
from .attempt import AccessRefusedError, Still
from .http_client import HttpClient
from .jpeg_bytes import JPEG_START, ends_as_jpeg, first_jpeg
from .redaction import one_line, redacted_url

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

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
        min_interval: float = MIN_INTERVAL_SECONDS,
        wait: Callable[[float], Any] | None = None,
    ) -> None:
        """``timeout`` is for a complete still; requests start at least ``min_interval`` apart."""
        self._name = redacted_url(url)
        self._client = HttpClient(url)
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
        try:
            with self._client.get(self._validators, self._timeout) as response:
                data = self._body(response)
                headers = response.headers
        except AccessRefusedError:
            raise
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return None
            raise OSError(one_line(f"the server answers {error.code} {error.reason}")) from None
        except urllib.error.URLError as error:
            raise OSError(one_line(_text(error.reason))) from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise OSError(one_line(_text(error))) from None
        image = decode(data, self._name)
        self._remember(headers)
        return Still(image, data, (time.monotonic() - started) * 1e3)

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


def _text(reason: object) -> str:
    if str(reason) == "timed out":
        return "the server does not answer in time"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is not trusted ({reason.verify_message}): add its issuer to "
            "the device's certificates, or name it in SSL_CERT_FILE"
        )
    if isinstance(reason, TimeoutError):
        return str(reason)
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
