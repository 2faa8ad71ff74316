"""MQTT through the HTTP proxy that the environment names, as boto3 uses it for HTTPS."""

from __future__ import annotations

import base64
import re
import socket
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ..errors import MliError

_DEFAULT_PORT = 80
_MOST_BYTES = 65_536
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*")


class ProxyRefusedError(OSError):
    """The proxy answers, and does not open a connection; its text says what would help."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that opens connections to other hosts with the method CONNECT.

    ``credentials`` are user and password as in its URL.
    """

    host: str
    port: int
    credentials: str | None = None

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port}"

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Return a connection to ``host`` through the proxy.

        Raises:
            ProxyRefusedError: if the proxy does not allow it.
            OSError: if the proxy or the host cannot be reached.
        """
        try:
            opened = socket.create_connection((self.host, self.port), timeout)
        except OSError as error:
            raise OSError(f"{self}: {error}") from error
        try:
            opened.sendall(self._request(f"{host}:{port}"))
            answer = _STATUS_LINE.match(_head(opened))
            if answer is None:
                raise OSError(f"{self} does not answer as an HTTP proxy")
            if answer[1].startswith(b"4"):
                raise ProxyRefusedError(
                    f"{self} refuses a connection to {host}:{port} "
                    f"({answer[0].decode(errors='replace')}): allow it there, give the proxy's "
                    f"user and password in HTTPS_PROXY, or add {host} to NO_PROXY"
                )
            if not answer[1].startswith(b"2"):
                raise OSError(f"{self}: {answer[0].decode(errors='replace')}")
        except BaseException:
            opened.close()
            raise
        return opened

    def _request(self, target: str) -> bytes:
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.credentials is not None:
            basic = base64.b64encode(unquote(self.credentials).encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {basic}")
        return "\r\n".join([*lines, "", ""]).encode()


def proxy_for(host: str) -> Proxy | None:
    """Return the proxy of HTTPS_PROXY, unless there is none, or NO_PROXY excludes ``host``.

    Raises:
        MliError: if it is not an HTTP proxy.
    """
    url = urllib.request.getproxies().get("https")
    if not url or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    credentials, _, place = parts.netloc.rpartition("@")
    try:
        name, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError:  # the port is not a number
        name, port = None, 0
    if parts.scheme != "http" or not name:
        raise MliError(
            f"HTTPS_PROXY names {parts.scheme}://{place}, and `mli watch` can use http://HOST:PORT "
            f"only: set such a proxy, or add {host} to NO_PROXY"
        )
    return Proxy(name, port, credentials or None)


def _head(opened: socket.socket) -> bytes:
    """Return the head of the proxy's answer, and not a byte of what follows it."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < _MOST_BYTES:
        byte = opened.recv(1)
        if not byte:
            break
        head += byte
    return head
