"""Which HTTP requests the listeners on loopback accept: those of programs on this machine.

Loopback does not keep web pages out. A page in the developer's browser can send a request to any
port of 127.0.0.1, and by DNS rebinding also under a name of its own. Browsers mark both:
https://fetch.spec.whatwg.org/#origin-header and https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LOOPBACK = re.compile(
    r"(127\.0\.0\.1|localhost|\[::1\]"
    r"|data-ats\.iot\.[a-z0-9-]+\.localhost"  # MQTT over WebSocket, as `mli watch` opens it
    r")(:\d{1,5})?",
    re.ASCII | re.IGNORECASE,
)
_BY_THE_USER = "none"
"""``Sec-Fetch-Site`` of an address that was typed, not followed from a page."""
_SHOWN_CHARACTERS = 100


def refusal(headers: Iterable[tuple[bytes | str, bytes | str]]) -> str | None:
    """Return in one line why a request is refused, or None if a local program sent it."""
    hosts = []
    for name, content in headers:
        key, value = _text(name).lower(), _text(content)
        if key == "origin":
            return f"requests of web pages are refused (Origin {_shown(value)})"
        if key == "sec-fetch-site" and value.strip().lower() != _BY_THE_USER:
            return f"requests of web pages are refused (Sec-Fetch-Site {_shown(value)})"
        if key == "host":
            hosts.append(value.strip())
    if len(hosts) != 1:
        return f"a request needs one Host header, not {len(hosts)}"
    if not _LOOPBACK.fullmatch(hosts[0]):
        return f"the host must be 127.0.0.1, localhost or [::1], not {_shown(hosts[0])}"
    return None


def is_for_pages(name: bytes | str) -> bool:
    """Return whether a header of a reply would let web pages read it."""
    return _text(name).lower().startswith("access-control-")


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _shown(value: str) -> str:
    return ascii(value[:_SHOWN_CHARACTERS])
