"""Finds out why a stream cannot be opened, which FFmpeg does not report through OpenCV.

The server is asked once more, in plain RTSP or HTTP; the first line of its answer is the reason.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import closing
from urllib.parse import urlsplit

from .attempt import AccessRefusedError
from .authentication import Authenticator, credentials_of
from .http_client import MISSING, UNKNOWN, WRONG
from .redaction import one_line

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_MAX_HEAD_BYTES = 16 << 10
_ADVICE = {
    301: "write the address that it has moved to",
    403: "the user may not see this stream",
    404: "check the path in imageSource",
    454: "check the path in imageSource",
    503: "it may have as many viewers as it can serve",
}


def why_not_open(url: str, seconds: float) -> OSError:
    """Return the reason, without credentials, after at most ``seconds``.

    It is an :class:`AccessRefusedError` if user and password are missing or wrong.
    """
    try:
        return _answered(url, time.monotonic() + seconds)
    except socket.gaierror as error:
        return OSError(f"its host name is not known ({error.strerror})")
    except (socket.timeout, TimeoutError):
        return OSError("it does not answer in time")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        return OSError(one_line(f"it cannot be reached: {reason or error}"))


def _answered(url: str, deadline: float) -> OSError:
    credentials = credentials_of(url)
    code, text, challenges = _ask(url, None, deadline)
    if code == 401 and credentials is None:
        return AccessRefusedError(MISSING)
    if code == 401 and credentials is not None:
        authenticator = Authenticator(credentials)
        if not authenticator.learn(challenges):
            return AccessRefusedError(UNKNOWN)
        code, text, _ = _ask(url, authenticator, deadline)
        if code == 401:
            return AccessRefusedError(WRONG)
    if code == 0:
        return OSError(f"the server there does not speak {_protocol(url)}")
    if 200 <= code < 300:
        return OSError("it answers, but with no video that can be decoded")
    advice = _ADVICE.get(code, "")
    return OSError(one_line(f"it answers {code} {text}") + (f": {advice}" if advice else ""))


def _ask(
    url: str, authenticator: Authenticator | None, deadline: float
) -> tuple[int, str, list[str]]:
    """Return the status code of one answer (0 if there is none), its text, and its challenges."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _protocol(url) == "RTSP":
        method, target = "DESCRIBE", f"{parts.scheme}://{host}{path}"
        lines = [f"{method} {target} RTSP/1.0", "CSeq: 1", "Accept: application/sdp"]
    else:
        method, target = "GET", path
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    answer = authenticator.header(method, target) if authenticator else None
    if answer is not None:
        lines.append(f"Authorization: {answer}")
    request = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return _parsed(_exchange(url, request, deadline))


def _exchange(url: str, request: bytes, deadline: float) -> str:
    """Return the head of the answer."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
    with closing(socket.create_connection(address, _left(deadline))) as plain:
        connection = plain
        if parts.scheme in ("rtsps", "https"):
            # FFmpeg does not check the certificate either, and this sends no more than FFmpeg did.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection = context.wrap_socket(plain, server_hostname=parts.hostname)
        with closing(connection):
            connection.sendall(request)
            head = b""
            while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD_BYTES:
                connection.settimeout(_left(deadline))
                received = connection.recv(4096)
                if not received:
                    break
                head += received
    return head.partition(b"\r\n\r\n")[0].decode("latin-1")


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _parsed(head: str) -> tuple[int, str, list[str]]:
    first, *others = head.split("\r\n")
    protocol, _, rest = first.partition(" ")
    code, _, text = rest.partition(" ")
    challenges = [
        value
        for name, _, value in (line.partition(":") for line in others)
        if name.strip().lower() == "www-authenticate"
    ]
    if not protocol.startswith(("RTSP/", "HTTP/")) or not (code.isdigit() and len(code) == 3):
        return 0, "", []
    return int(code), text, challenges


def _protocol(url: str) -> str:
    return "RTSP" if url.startswith("rtsp") else "HTTP"
