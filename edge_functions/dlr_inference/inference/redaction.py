"""Keeps credentials in source addresses out of logs, messages and exception texts.

Much of this text was written by others, such as the status line of a camera's answer. Patterns hold
Python's interpreter lock until they return, so each one here takes linear time, and texts are cut
before the first one.
"""

from __future__ import annotations

import re
from typing import Iterator
from urllib.parse import unquote

HIDDEN = "***"
"""Replaces a credential."""

MAX_CHARACTERS = 1024
"""Longer text is cut before it is searched, and is no valid source."""

_MAX_LINE = 300

# Patterns are compiled when they are used, which most starts need not wait for.

# Parts of the names of parameters that contain credentials, and whole names, in lower case.
_SECRET_PART = (
    r"auth|cookie|cred|key|login|pass|proxy-id|psd|psw|pwd|pw|secret|session|sid|sig|streamid|token"
    r"|user|usr"
)
_SECRET_QUERY_NAMES = frozenset(
    ("acc", "account", "code", "id", "k", "otp", "p", "pa", "pin", "ps", "t", "u", "uid", "un")
)
_WORD = r"(?s:\\.|[^\s\"'<>\\])+"
_WORD_OR_QUOTED = rf"(?s:(?P<quote>\"|')(?P<inner>(?:\\.|(?!(?P=quote))[^\\])*)|{_WORD})"
# A name and a password before an @ without `scheme://`, but not one of our own sources with a mode.
_USER = r"(?i)(?<![\w/:.+-])(?!(?:camera|csi|watch|test-pattern):)[\w.+-]+(?::|%3a)(?!//)"
_NAME = (
    r"(?i)(?<![\w.%:-])(?:(?P<header>(?:proxy-)?authorization\s*:)"
    r"|(?P<name>[\w.%:-]+)(?:\s*=|[\"']\s*:))\s*"
)
_QUERY_VALUE = r"[^&#\s\"']*"
# How GStreamer reads a value: a type in brackets, quotes, backslashes before what they protect.
# https://gitlab.freedesktop.org/gstreamer/gstreamer/-/blob/main/subprojects/gstreamer/gst/parse/parse.l
_PROPERTY_VALUE = (
    r"(?is)(?:\(\w+\)\s*)?"
    r"(?:\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?|\\+(?:\"[^\"]*\"?|'[^']*'?)"
    r"|(?:(?:basic|bearer|digest)\s+)?(?:\\.|\S))(?:\\.|\S)*"
)


def redacted(text: str) -> str:
    """Return ``text`` with the credentials of every URL and of every ``name=value`` hidden.

    It hides user and password before the ``@`` of a URL, a query that is ``user:password``, and the
    value of each parameter whose name is like token, key, password, sig, user or p: in a query, in
    a path, or among a GStreamer element's properties, as GStreamer reads them. When in doubt it
    hides too much. Text after the first :data:`MAX_CHARACTERS` is left out.
    """
    if not any(mark in text for mark in "@:="):
        return _cut(text)
    return _hide_values(re.sub(_WORD_OR_QUOTED, _hide_addresses, _cut(text)))


def redacted_url(url: str) -> str:
    """Return one URL as :func:`redacted` does, even if it wrongly contains spaces or quotes."""
    scheme, separator, _ = url.partition("://")
    if not separator or " " in scheme:
        return redacted(url)
    return _hide_values(_without_user(_cut(url)), is_url=True)


def one_line(text: str) -> str:
    """Return ``text`` redacted, without control characters, with at most 300 characters."""
    words = "".join(one if one.isprintable() else " " for one in redacted(text)).split()
    line = " ".join(words)
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…"


def _cut(text: str) -> str:
    """Cut ``text``, before a word if possible: half of a URL may not be recognised as one."""
    if len(text) <= MAX_CHARACTERS:
        return text
    beginning = text[:MAX_CHARACTERS]
    words = beginning.rsplit(None, 1)
    is_split = not (beginning[-1].isspace() or text[MAX_CHARACTERS].isspace())
    return (words[0] if is_split and len(words) > 1 else beginning) + "…"


def _hide_addresses(match: re.Match[str]) -> str:
    """Hide users and passwords in one word, or in a quoted text, which may be one URL."""
    if match["quote"] is None:
        return _without_user(match[0])
    inner = match["inner"]
    scheme, _, rest = inner.partition("://")
    if rest and "://" not in rest and re.fullmatch(_WORD, scheme):
        return match["quote"] + _without_user(inner)
    return match["quote"] + re.sub(_WORD, lambda word: _without_user(word[0]), inner)


def _without_user(word: str) -> str:
    """Hide what may be user and password in an address, with or without its scheme.

    It hides up to the last ``@``, since an unescaped password may contain ``@``, ``/`` and more.
    """
    scheme, separator, rest = word.partition("://")
    if not separator:
        before, _, after = word.rpartition("@")
        match = re.search(_USER, before)
        return word if match is None else f"{word[: match.start()]}{HIDDEN}@{after}"
    if "@" in scheme:
        scheme = _without_user(scheme)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, colon, port = authority.partition(":")
    begins_with_user = bool(colon) and not port.isdigit() and not authority.startswith("[")
    if "@" not in authority and not begins_with_user:
        more = rest[len(authority) :]
        more = _without_user(more) if "://" in more else _without_bare_query(more)
        return scheme + separator + authority + more
    _, found, after = rest.rpartition("@")
    return scheme + separator + (f"{HIDDEN}@{_without_bare_query(after)}" if found else HIDDEN)


def _without_bare_query(rest: str) -> str:
    """Hide parts of a query that are ``user:password`` without a name."""
    path, mark, query = rest.partition("?")
    parts = [
        part if "=" in part or ":" not in unquote(part) else HIDDEN for part in query.split("&")
    ]
    return path + mark + "&".join(parts)


def _hide_values(text: str, *, is_url: bool = False) -> str:
    return "".join(_with_hidden_values(text, is_url))


def _with_hidden_values(text: str, is_url: bool) -> Iterator[str]:
    done = 0
    pattern = re.compile(_NAME)
    match = pattern.search(text)
    while match is not None:
        yield text[done : match.end()]
        done = match.end()
        in_query = is_url or text.endswith(("?", "&", ";"), 0, match.start())
        if match["header"] or _is_secret(match["name"], in_query):
            done = _end_of_value(text, match, is_url)
            yield HIDDEN if done > match.end() else ""
        match = pattern.search(text, done)
    yield text[done:]


def _is_secret(name: str, in_query: bool) -> bool:
    plain = unquote(name).lower().replace("_", "-")
    return bool(re.search(_SECRET_PART, plain)) or (in_query and plain in _SECRET_QUERY_NAMES)


def _end_of_value(text: str, match: re.Match[str], is_url: bool) -> int:
    """Return where the value ends: in a query before the next parameter."""
    in_query = text.endswith(("?", "&"), 0, match.start())
    if is_url:
        ends = [at for at in (text.find(one, match.end()) for one in "&#") if at >= 0]
        return min(ends, default=len(text))
    pattern = re.compile(_QUERY_VALUE) if in_query else re.compile(_PROPERTY_VALUE)
    value = pattern.match(text, match.end())
    return match.end() if value is None else value.end()
