"""Answers a server's challenge for user and password: Basic (RFC 7617) and Digest (RFC 7616).

The standard library's handlers support neither SHA-256 on older Pythons, nor servers that offer
several schemes, nor RTSP.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import Callable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

_MAX_CHALLENGES, _MAX_CHALLENGE_CHARACTERS = 16, 2048
_HASHES = {"SHA-256": "sha256", "MD5": "md5"}
_STRONGEST_FIRST = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")

# A scheme stands before its first parameter. https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
_PARAMETER = re.compile(
    r"(?<![\w*-])(?:(?P<scheme>[A-Za-z][\w-]*)[ \t]+)?(?P<name>[A-Za-z][\w*-]*)[ \t]*=[ \t]*"
    r"(?:\"(?P<quoted>(?:\\.|[^\"\\])*)\"|(?P<plain>[^\s,\"]+))"
)


@dataclass(frozen=True)
class Credentials:
    """User and password, which are escaped in front of the host of a URL."""

    user: str
    password: str = field(repr=False)


def credentials_of(url: str) -> Credentials | None:
    """Return the credentials in ``url``, if there are any."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return Credentials(unquote(parts.username), unquote(parts.password or ""))


class Authenticator:
    """Creates the ``Authorization`` header for one server's requests, from its last challenge."""

    def __init__(
        self, credentials: Credentials, *, cnonce: Callable[[], str] = lambda: os.urandom(16).hex()
    ) -> None:
        """Answer with ``credentials``; ``cnonce`` returns random text for each Digest."""
        self._credentials = credentials
        self._cnonce = cnonce
        self._challenge: Mapping[str, str] | None = None
        self._count = 0

    def learn(self, headers: Sequence[str]) -> bool:
        """Remember the strongest answerable challenge of the ``WWW-Authenticate`` headers.

        Return whether there is one.
        """
        answerable = [one for one in _challenges(headers) if _strength(one) is not None]
        self._challenge = min(answerable, key=lambda one: _strength(one) or 0, default=None)
        self._count = 0
        return self._challenge is not None

    def header(self, method: str, uri: str) -> str | None:
        """Return the header's value for a request, or None before the first challenge."""
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge["scheme"] == "basic":
            pair = f"{self._credentials.user}:{self._credentials.password}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        self._count += 1
        return self._digest(challenge, method, uri, self._cnonce())

    def _digest(self, challenge: Mapping[str, str], method: str, uri: str, cnonce: str) -> str:
        algorithm = challenge.get("algorithm", "MD5").upper()

        def hashed(*parts: str) -> str:
            made = hashlib.new(_HASHES[algorithm.replace("-SESS", "")])
            made.update(":".join(parts).encode())
            return made.hexdigest()

        user, realm, nonce = self._credentials.user, challenge["realm"], challenge["nonce"]
        secret = hashed(user, realm, self._credentials.password)
        if algorithm.endswith("-SESS"):
            secret = hashed(secret, nonce, cnonce)
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
        unquoted: dict[str, str] = {}
        proof: tuple[str, ...] = (nonce,)
        if "algorithm" in challenge:
            unquoted["algorithm"] = challenge["algorithm"]
        if "qop" in challenge:
            unquoted.update(qop="auth", nc=f"{self._count:08x}")
            proof = (nonce, unquoted["nc"], cnonce, "auth")
        if "qop" in challenge or algorithm.endswith("-SESS"):
            fields["cnonce"] = cnonce
        fields["response"] = hashed(secret, *proof, hashed(method, uri))
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        texts = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        texts += [f"{name}={value}" for name, value in unquoted.items()]
        # Headers are sent as Latin-1, in which these are the bytes of UTF-8.
        return ("Digest " + ", ".join(texts)).encode().decode("latin-1")


def _challenges(headers: Sequence[str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for whole in headers[:_MAX_CHALLENGES]:
        header = whole[:_MAX_CHALLENGE_CHARACTERS]
        if header.strip().lower() == "basic":  # without the realm that it must have
            found.append({"scheme": "basic"})
        for match in _PARAMETER.finditer(header):
            if match["scheme"]:
                found.append({"scheme": match["scheme"].lower()})
            if found:
                quoted = match["quoted"]
                value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                found[-1].setdefault(match["name"].lower(), value)
    return found


def _strength(challenge: Mapping[str, str]) -> int | None:
    """Return the rank of a challenge, 0 the strongest; None if it cannot be answered."""
    if challenge["scheme"] == "basic":
        return len(_STRONGEST_FIRST)
    algorithm = challenge.get("algorithm", "MD5").upper()
    protections = re.split(r"[,\s]+", challenge.get("qop", "auth").lower())
    if challenge["scheme"] != "digest" or algorithm not in _STRONGEST_FIRST:
        return None
    if "auth" not in protections or not {"realm", "nonce"} <= challenge.keys():
        return None
    return _STRONGEST_FIRST.index(algorithm)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
