"""HTTP requests with time limits, which send credentials to one server only."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Iterator, Mapping
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ...redaction import one_line, redacted_url
from ..tls import VERIFIED, Tls
from .attempt import AccessRefusedError
from .authentication import Authenticator, credentials_of

MISSING = "401 Unauthorized: imageSource needs user and password before the host"
WRONG = "401 Unauthorized: check user and password in imageSource"
UNKNOWN = "401 Unauthorized: it requires authentication that is neither Basic nor Digest"

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REQUESTS = 6
_MAX_LOCATION_CHARACTERS = 2048
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_NO_ANSWER = "the server does not answer in time"
_KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}  # seconds, seconds, times


class HttpClient:
    """Gets one URL, and follows its redirects.

    User and password in the URL are sent to its own server only. Each request opens a connection.
    """

    def __init__(self, url: str, tls: Tls = VERIFIED) -> None:
        """``url`` may hold user and password."""
        self._url = _without_user(url)
        credentials = credentials_of(url)
        self._authenticator = None if credentials is None else Authenticator(credentials)
        self._sockets = _Sockets()
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            _HttpHandler(self._sockets),
            _HttpsHandler(self._sockets, tls),
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
        late = f"the still did not arrive completely within {seconds:g} s"
        with self._cut_after(seconds, late), closing(self._open(headers, seconds)) as response:
            yield response

    def open(self, seconds: float) -> Any:
        """Return the response, whose head must come within ``seconds``; its body need not end.

        Raises:
            OSError, http.client.HTTPException, ValueError: as :meth:`get`.
        """
        with self._cut_after(seconds, _NO_ANSWER):
            return self._open({}, seconds)

    def set_patience(self, seconds: float) -> None:
        """Let reading from the response raise TimeoutError when nothing comes for ``seconds``."""
        self._sockets.set_timeout(seconds)

    @contextmanager
    def _cut_after(self, seconds: float, late: str) -> Iterator[None]:
        cut = threading.Timer(seconds, self._sockets.cut)
        cut.daemon = True
        self._sockets.begin()
        cut.start()
        try:
            yield
        except Exception:
            if self._sockets.are_cut:
                raise TimeoutError(late) from None
            raise
        finally:
            cut.cancel()
        if self._sockets.are_cut:
            raise TimeoutError(late)

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
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            one.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        with self._lock:
            self._open.append(one)
            if self.are_cut:
                _shut(one)

    def set_timeout(self, seconds: float) -> None:
        with self._lock:
            for one in self._open:
                if one.fileno() >= 0:  # that of a challenge or a redirect is closed by now
                    one.settimeout(seconds)

    def cut(self) -> None:
        with self._lock:
            self.are_cut = True
            for one in self._open:
                _shut(one)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(one, socket.SHUT_RDWR)  # not that of TLS, which may wait


class _Response(http.client.HTTPResponse):
    """Takes the first line of old streaming servers for that of HTTP/1.0, as browsers do."""

    def _read_status(self) -> tuple[str, int, str]:
        if not self.fp.peek(4).startswith(b"ICY "):
            return super()._read_status()  # type: ignore[misc, no-any-return]
        code, _, reason = self.fp.readline(1024)[4:].decode("latin-1").strip().partition(" ")
        if not (code.isascii() and code.isdigit()):
            raise http.client.BadStatusLine("ICY")
        return "HTTP/1.0", int(code), reason


class _KnownSocket(http.client.HTTPConnection):
    """A connection whose socket another thread can close."""

    response_class = _Response

    def __init__(self, sockets: _Sockets, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.add(self.sock)


class _SecureConnection(_KnownSocket, http.client.HTTPSConnection):
    """The same over TLS."""


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, sockets: _Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_KnownSocket, self._sockets), req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, sockets: _Sockets, tls: Tls) -> None:
        super().__init__()
        self._sockets = sockets
        self._tls = tls
        self._made: ssl.SSLContext | None = None

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        self._made = self._made or self._tls.context()  # reading the certificates takes a while
        return self.do_open(partial(_SecureConnection, self._sockets, context=self._made), req)


@contextmanager
def explained() -> Iterator[None]:
    """Raise what requests raise as an OSError that says the reason in one line.

    Raises:
        OSError: AccessRefusedError if user and password are missing or wrong.
    """
    try:
        yield
    except AccessRefusedError:
        raise
    except HTTPError as error:
        raise OSError(one_line(f"the server answers {error.code} {error.reason}")) from None
    except URLError as error:
        raise OSError(one_line(_text(error.reason))) from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise OSError(one_line(_text(error))) from None


def untrusted(reason: str) -> str:
    """Return what to do about a certificate that is not trusted for ``reason``."""
    return (
        f"the server's certificate is not trusted ({reason}): name it, or its issuer's, in "
        "imageSource as #ca_file=/path, or add it to the device's certificates"
    )


def _text(reason: object) -> str:
    if str(reason) == "timed out":
        return _NO_ANSWER
    if isinstance(reason, http.client.IncompleteRead):
        return "it closed the connection before the end"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return untrusted(reason.verify_message)
    if isinstance(reason, socket.gaierror):
        return f"its host name is not known ({reason.strerror})"
    if isinstance(reason, OSError):
        return reason.strerror or str(reason)
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)


def _redirected(url: str, error: HTTPError) -> str:
    location = error.headers.get("Location", "")
    if len(location) > _MAX_LOCATION_CHARACTERS:
        raise OSError(f"it redirects to an address of {len(location)} characters")
    try:
        target = urljoin(url, quote(location.encode("latin-1"), _ASCII))
        parts = urlsplit(target)
        is_http = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as of a port that is not a number
        target, is_http = location, False
    if not is_http:
        raise OSError(f"it redirects to {redacted_url(target)}, which is not an HTTP address")
    return _without_user(target)


def _without_user(url: str) -> str:
    """Return what is requested: without user, password and fragment, and with ASCII alone."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path, query = quote(parts.path or "/", _ASCII), quote(parts.query, _ASCII)
    return urlunsplit((parts.scheme, host, path, query, ""))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
