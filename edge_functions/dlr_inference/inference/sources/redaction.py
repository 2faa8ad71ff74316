"""Keeps credentials in source addresses out of logs, messages and exception texts."""

from __future__ import annotations

import re

HIDDEN = "***"
"""Replaces a credential."""

_MAX_LINE = 300

# Parts of the names of parameters that contain credentials.
_SECRET_NAMES = "auth|cred|key|login|pass|psw|pwd|pw|secret|session|sig|token|user|usr"
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<rest>[^\s\"'<>]*)", re.IGNORECASE)
# A URL whose scheme is misspelt or missing, but not one of our own sources that may contain an @.
_USER = re.compile(r"(?<![\w/:])(?!(?:camera|csi|watch):)[\w.+-]+:(?!//)[^\s\"'<>]*@")
_SECRET_VALUE = re.compile(
    rf"(?P<name>\b[\w.%-]*?(?:{_SECRET_NAMES})[\w.%-]*=)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^&#\s\"']+)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Return ``text`` with the credentials of every URL and of every ``name=value`` hidden.

    It hides user and password before the ``@`` of a URL, and the value of each parameter whose name
    contains a word such as token, key, password, secret, sig or user: in a query, in a path, or
    among a GStreamer element's properties. When in doubt it hides too much.
    """
    return _hide_values(_USER.sub(f"{HIDDEN}@", _URL.sub(_hide_user, text)))


def one_line(text: str) -> str:
    """Return ``text`` redacted, without control characters, with at most 300 characters."""
    words = "".join(one if one.isprintable() else " " for one in redacted(text)).split()
    line = " ".join(words)
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…"


def redacted_url(url: str) -> str:
    """Return one URL as :func:`redacted` does, even if it wrongly contains spaces or quotes."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return redacted(url)
    return _hide_values(scheme + separator + _without_user(rest))


def _hide_user(match: re.Match[str]) -> str:
    return match["scheme"] + _without_user(match["rest"])


def _without_user(rest: str) -> str:
    """Hide up to the last ``@``, since an unescaped password may contain ``@``, ``/`` and more."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, colon, port = authority.partition(":")
    begins_with_user = bool(colon) and not port.isdigit() and not authority.startswith("[")
    if "@" not in authority and not begins_with_user:
        return rest
    _, found, after = rest.rpartition("@")
    return f"{HIDDEN}@{after}" if found else HIDDEN


def _hide_values(text: str) -> str:
    return _SECRET_VALUE.sub(lambda match: match["name"] + HIDDEN, text)
