"""Component versions and the ranges that dependencies and deployments ask for.

https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html: versions
are semantic (major.minor.patch), requirements are npm's ranges.
"""

from __future__ import annotations

import re

from ...errors import LocalCoreError

Number = tuple[int, int, int]

_NUMBER = r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})"
_TERM = re.compile(r"(?P<sign>>=|<=|>|<|=|\^|~)?\s*v?(?P<version>[\dx*]+(?:\.[\dx*]+){0,2})")


class RangeError(LocalCoreError, ValueError):
    """A version requirement in none of npm's forms."""


def parse(text: str) -> Number | None:
    """Return ``x.y.z`` as numbers of at most six digits each, or None if it is not that.

    The service refused suffixes, pre-release ones too.
    """
    match = re.fullmatch(_NUMBER, text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def satisfies(version: str, requirement: str) -> bool:
    """Return whether a version is in the range ``requirement``.

    Raises:
        RangeError: if the requirement cannot be read.
    """
    number = parse(version)
    wanted = [_in_all(number, part) for part in requirement.split("||")]
    return number is not None and any(wanted)


def _in_all(number: Number | None, part: str) -> bool:
    """Return whether ``number`` is within every term of ``part``; an empty part takes any."""
    part = re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", part.strip())
    inside, end = True, 0
    for term in _TERM.finditer(part):
        if part[end : term.start()].strip():
            raise RangeError(f"{part!r} is not a version requirement")
        low, high = _bounds(term["sign"] or "=", term["version"])
        inside = inside and number is not None and low <= number < high
        end = term.end()
    if part[end:].strip():
        raise RangeError(f"{part!r} is not a version requirement")
    return inside


_TOP: Number = (10**6, 0, 0)


def _bounds(sign: str, text: str) -> tuple[Number, Number]:
    """Return the first version within a term and the first one beyond it."""
    given = [int(part) for part in text.split(".") if part not in "x*"]
    major, minor, patch = [*given, 0, 0, 0][:3]
    exact = (major, minor, patch)
    past = _next(given, len(given))
    if sign == "=":
        return exact, past
    if sign == ">=":
        return exact, _TOP
    if sign == ">":
        return past, _TOP
    if sign == "<":
        return (0, 0, 0), exact
    if sign == "<=":
        return (0, 0, 0), past
    if sign == "~":
        return exact, _next(given, min(2, len(given)))
    leading = next((at for at, part in enumerate(given) if part), len(given) - 1)
    return exact, _next(given, leading + 1)


def _next(given: list[int], keep: int) -> Number:
    """Return the first version after all that begin with the first ``keep`` parts."""
    if keep == 0:
        return _TOP
    parts = [*given[: keep - 1], given[keep - 1] + 1, 0, 0, 0]
    return (parts[0], parts[1], parts[2])
