"""Who may read the page: a browser on this machine that was given the address with its token."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from urllib.parse import parse_qs

Headers = Sequence[tuple[bytes, bytes]]

_HTTP_PORT = 80
"""The port that browsers leave out."""


class Gate:
    """The token of one run, and the rules by which requests are refused.

    The token in the address is traded for a cookie, so that it stays neither in the history's later
    addresses nor in a screenshot. Cookies do not distinguish ports: each run names its own.
    """

    def __init__(self, port: int) -> None:
        self._token = secrets.token_urlsafe(32)
        self._port = port
        self._cookie = f"mli-view-{secrets.token_hex(8)}"
        self.form_token = secrets.token_urlsafe(32)
        """What a page of ours knows, and repeats in a header when it changes something."""

    @property
    def address(self) -> str:
        """The address to open, with the token."""
        return f"http://127.0.0.1:{self._port}/?token={self._token}"

    def refusal(self, headers: Headers) -> str | None:
        """Return why a request is refused whatever it asks for; None if it is not.

        A page of another site reaches loopback by its own Origin, or by DNS rebinding under a host
        name of its own.
        """
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return "the host must be 127.0.0.1, localhost or [::1], with the port of this page"
        are_own = all(origin == f"http://{hosts[0]}" for origin in _values(headers, b"origin"))
        sites = _values(headers, b"sec-fetch-site")
        if not are_own or not set(sites) <= {"same-origin", "none"}:
            return (
                "requests of other pages are refused: if you followed a link on a web page, copy "
                "the address into a new tab"
            )
        return None

    def has_cookie(self, headers: Headers) -> bool:
        """Return whether the browser has traded the token.

        Other programs of this machine have cookies here too, which may have any form.
        """
        cookies = [one for value in _values(headers, b"cookie") for one in value.split(";")]
        pairs = [one.strip().partition("=") for one in cookies]
        return any(key == self._cookie and _equal(value, self._token) for key, _, value in pairs)

    def may_change(self, headers: Headers) -> bool:
        """Return whether a request that changes something comes from a page of ours.

        Beside the cookie it needs our Origin, and the token in a header of its own.
        """
        tokens = _values(headers, b"x-mli-view")
        is_right = len(tokens) == 1 and _equal(tokens[0], self.form_token)
        return is_right and has_origin(headers)

    def traded(self, query: bytes) -> str | None:
        """Return the cookie for the right token in a query; None for any other."""
        given = parse_qs(query.decode("latin-1")).get("token", [])
        if len(given) != 1 or not _equal(given[0], self._token):
            return None
        return f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"

    def _is_own(self, host: str) -> bool:
        port = f"(:{_HTTP_PORT})?" if self._port == _HTTP_PORT else f":{self._port}"
        own = rf"(127\.0\.0\.1|localhost|\[::1\]){port}"
        return re.fullmatch(own, host, re.ASCII | re.IGNORECASE) is not None


def has_origin(headers: Headers) -> bool:
    """Return whether a request names the page that it comes from."""
    return bool(_values(headers, b"origin"))


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())
