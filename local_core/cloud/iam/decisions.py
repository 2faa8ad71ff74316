"""The log of what policies decided: a file with one JSON object per line."""

from __future__ import annotations

import dataclasses
import json
import logging.handlers
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = "decisions.jsonl"
"""Its name in the folder of a local cloud."""
ALLOW = "allow"
DENY = "deny"
UNCHECKED = "unchecked"
_MAXIMUM_BYTES = 64_000_000


@dataclass(frozen=True)
class Decision:
    """Who wanted to do what, and what decided.

    ``statement`` is the policy's name with the statement's position or Sid, such as
    ``CorePolicy[2]``, and empty if no statement applied.
    """

    principal: str
    action: str
    resource: str
    decision: str
    statement: str = ""


class DecisionLog:
    """Writes decisions to a new file, from any thread.

    When the file has 64 MB, it is renamed to end in ``.1``, and another one begins.
    """

    def __init__(self, file: Path) -> None:
        file.unlink(missing_ok=True)
        self._handler = logging.handlers.RotatingFileHandler(
            file, maxBytes=_MAXIMUM_BYTES, backupCount=1
        )

    def write(self, decision: Decision) -> None:
        """Append one decision."""
        line = json.dumps(dataclasses.asdict(decision))
        self._handler.emit(logging.LogRecord("iam", logging.INFO, "", 0, line, None, None))


def read_decisions(file: Path) -> Iterator[Decision]:
    """Yield the decisions in a log, oldest first."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield Decision(**json.loads(line))
