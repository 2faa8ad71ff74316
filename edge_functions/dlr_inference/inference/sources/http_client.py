"""HTTP requests that end at a deadline, and send credentials to one server only."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.request
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Iterator, Mapping
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit, urlunsplit

from .attempt import AccessRefusedError
from .authentication import Authenticator, credentials_of
from .redaction import redacted_url

MISSING = "401 Unauthorized: write user:password@ before the host in imageSource"
WRONG = "401 Unauthorized: check user and password in imageSource"
UNKNOWN = "401 Unauthorized: it requires authentication that is neither Basic nor Digest"

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REQUESTS = 6
_MAX_LOCATION_CHARACTERS = 2048


class HttpClient:
    """Gets one URL, and follows its redirects.

    User and password in the URL are sent to its own server only. Each request opens a connection.
    """

    def __init__(self, url: str) -> None:
        """``url`` may hold user and password."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
        credentials = credentials_of(url)
        self._authenticator = None if credentials is None else Authenticator(credentials)
        self._sockets = _Sockets()
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            _HttpHandler(self._sockets),
            _HttpsHandler(self._sockets),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ):
            self._opener.add_handler(handler)

    @contextmanager
    def get(self, headers: Mapping[str, str], seconds: float) -> Iterator[Any]:
        """Yield the response; cut off everything after ``seconds``.

        Raises:
            AccessRefusedError: if user and password are missing or wrong.
            HTTPError: if the answer is an error other than 401.
            OSError, http.client.HTTPException, ValueError: if there is no answer; TimeoutError if
                it is not complete in time.
        """
        cut = threading.Timer(seconds, self._sockets.cut)
        cut.daemon = True
        self._sockets.begin()
        cut.start()
        try:
            with closing(self._open(headers, seconds)) as response:
                yield response
        except Exception:
            self._check_deadline(seconds)
            raise
        finally:
            cut.cancel()
        self._check_deadline(seconds)

    def _check_deadline(self, seconds: float) -> None:
        if self._sockets.are_cut:
            late = f"the still did not arrive completely within {seconds:g} s"
            raise TimeoutError(late) from None

    def _open(self, headers: Mapping[str, str], seconds: float) -> Any:
        url, answered = self._url, False
        for _ in range(_MAX_REQUESTS):
            try:
                return self._opener.open(self._request(url, headers), timeout=seconds)
            except HTTPError as error:
                with closing(error):
                    if error.code == 401:
                        self._learn(url, error, answered)
                        answered = True
                    elif error.code in _REDIRECTS:
                        url = _redirected(url, error)
                    else:
                        raise
        raise OSError("it redirects too often")

    def _learn(self, url: str, error: HTTPError, answered: bool) -> None:
        """Remember a challenge, or raise why it cannot be answered."""
        if self._authenticator is None:
            raise AccessRefusedError(MISSING)
        if _origin(url) != _origin(self._url):
            raise AccessRefusedError(
                f"401 Unauthorized: it redirects to {redacted_url(url)}, another server, to "
                "which user and password are not sent; name that address in imageSource"
            )
        if answered:
            raise AccessRefusedError(WRONG)
        if not self._authenticator.learn(error.headers.get_all("WWW-Authenticate", [])):
            raise AccessRefusedError(UNKNOWN)

    def _request(self, url: str, headers: Mapping[str, str]) -> urllib.request.Request:
        request = urllib.request.Request(url, headers=dict(headers))
        if self._authenticator is not None and _origin(url) == _origin(self._url):
            parts = urlsplit(url)
            target = urlunsplit(("", "", parts.path, parts.query, ""))
            answer = self._authenticator.header("GET", target)
            if answer is not None:
                request.add_header("Authorization", answer)
        return request


class _Sockets:
    """The sockets of the present request, which another thread can shut down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.are_cut = False

    def begin(self) -> None:
        with self._lock:
            self._open.clear()
            self.are_cut = False

    def add(self, one: socket.socket) -> None:
        with self._lock:
            self._open.append(one)
            if self.are_cut:
                _shut(one)

    def cut(self) -> None:
        with self._lock:
            self.are_cut = True
            for one in self._open:
                _shut(one)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(one, socket.SHUT_RDWR)  # not that of TLS, which may wait


class _Connection(http.client.HTTPConnection):
    def __init__(self, sockets: _Sockets, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.add(self.sock)


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, sockets: _Sockets, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.add(self.sock)


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, sockets: _Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, self._sockets), req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, sockets: _Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_SecureConnection, self._sockets), req)


def _redirected(url: str, error: HTTPError) -> str:
    location = error.headers.get("Location", "")
    if len(location) > _MAX_LOCATION_CHARACTERS:
        raise OSError(f"it redirects to an address of {len(location)} characters")
    target = urljoin(url, location.replace(" ", "%20"))
    if urlsplit(target).scheme not in _PORTS or not urlsplit(target).hostname:
        raise OSError(f"it redirects to {redacted_url(target)}, which is no HTTP address")
    parts = urlsplit(target)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
