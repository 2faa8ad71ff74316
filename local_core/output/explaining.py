"""The line of a component's log that explains why it failed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path

_EXPLAINING = re.compile(
    r"\b(ERROR|FATAL|CRITICAL|[A-Za-z.]*(?:Error|Exception)\b:)|cannot|must be|is required", re.I
)
_BEGIN = re.compile(r"^\S+Z \w+ begins$|\bshell-runner-start\b")
"""How the local nucleus and the classic one note that they run a script of a component."""
_NUCLEUS_FORM = re.compile(r"\. \{scriptName=.*\}\s*$")
_LAST_LINES = 2_000
_MAX_CHARACTERS = 300


def explaining_line(lines: Iterable[str]) -> str | None:
    """Return the last line that says what went wrong, without the additions of the nucleus.

    It is of the last script that logged anything: what an earlier one said is not the reason.
    """
    kept = deque((line.strip() for line in lines if line.strip()), maxlen=_LAST_LINES)
    while kept and _BEGIN.search(kept[-1]):
        kept.pop()
    for line in reversed(kept):
        if _BEGIN.search(line):
            return None
        if _EXPLAINING.search(line):
            return " ".join(_NUCLEUS_FORM.sub("", line).split())[:_MAX_CHARACTERS]
    return None


def line_of(log: Path) -> str | None:
    """Return the explaining line of a file, if it has one.

    Raises:
        OSError: if the file cannot be read.
    """
    with log.open(errors="replace") as opened:
        return explaining_line(opened)
