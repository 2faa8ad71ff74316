"""Stills that a camera's web server hands out, fetched again for each frame."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Callable
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import FrameError
from ..images import decode
from .attempt import Still
from .redaction import redacted, redacted_url

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 16 << 20
MIN_INTERVAL_SECONDS = 0.2

_CHUNK_BYTES = 64 << 10


class SnapshotCapture:
    """Fetches one address over and over; user and password in it are sent by Basic or Digest.

    What the server says is unchanged since the last time, by ETag or date, is no new frame.
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
        """``timeout`` is for a whole still; two begin ``min_interval`` apart at least."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        self._name = redacted_url(url)
        self._opener = _opener(self._url, parts.username, parts.password)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._min_interval = min_interval
        self._wait = wait or threading.Event().wait
        self._validators: dict[str, str] = {}
        self._due = 0.0

    def read(self) -> Still | None:
        """Fetch the still, or return None if it has not changed.

        Raises:
            FrameError: if what came is no image, or too large.
            OSError: if nothing came, and why.
        """
        self._wait(max(0.0, self._due - time.monotonic()))
        started = time.monotonic()
        self._due = started + self._min_interval
        request = urllib.request.Request(self._url, headers=self._validators)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                data = self._body(response, started + self._timeout)
                self._remember(response.headers)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304:
                return None
            raise OSError(_why_refused(error)) from None
        except urllib.error.URLError as error:
            raise OSError(redacted(_text(error.reason))) from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise OSError(redacted(_text(error))) from None
        image = decode(data, self._name)
        return Still(image, data, (time.monotonic() - started) * 1e3)

    def close(self) -> None:
        """Do nothing: each still has a connection of its own."""

    def _body(self, response: Any, deadline: float) -> bytes:
        body = bytearray()
        while True:
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                break
            body += chunk
            if len(body) > self._max_bytes:
                raise FrameError(f"{self._name}: is larger than {self._max_bytes} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the still did not come whole within {self._timeout:g} s")
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and len(body) < int(length):
            raise FrameError(f"{self._name}: ended after {len(body)} of {length} bytes")
        return bytes(body)

    def _remember(self, headers: Any) -> None:
        named = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
        found = {ours: headers.get(theirs) for ours, theirs in named.items()}
        self._validators = {ours: value for ours, value in found.items() if value}


def _opener(url: str, user: str | None, password: str | None) -> urllib.request.OpenerDirector:
    if user is None:
        return urllib.request.build_opener()
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, unquote(user), unquote(password or ""))
    return urllib.request.build_opener(
        urllib.request.HTTPDigestAuthHandler(passwords),
        urllib.request.HTTPBasicAuthHandler(passwords),
    )


def _why_refused(error: urllib.error.HTTPError) -> str:
    advice = "; check user and password" if error.code in (401, 403) else ""
    return f"the server answers {error.code} {redacted(str(error.reason))}{advice}"


def _text(reason: object) -> str:
    if isinstance(reason, TimeoutError) or str(reason) == "timed out":
        return f"{reason}" if str(reason) != "timed out" else "the server does not answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
