"""The lines of the file of unsent messages: written, and read whatever is in the file."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from dataclasses import dataclass
from typing import IO, Iterator, Sequence, Tuple

from .kinds import kind_of

QueuedMessage = Tuple[str, bytes]
"""A topic and a payload."""

WITHOUT_ID = -1
"""The id of a message in a file of version 0.1.0, whose messages have none."""

_MAX_LINE_BYTES = 64 << 10
"""A message of 7,000 bytes takes at most 42,000 with JSON's escapes; longer is not a message."""


@dataclass(frozen=True)
class Entry:
    """A message in the file: ``end`` is the offset after its line, which has ``size`` bytes."""

    id: int
    topic: str
    payload: bytes
    size: int
    end: int

    @property
    def kind(self) -> str:
        """Return the kind of the message."""
        return kind_of(self.topic)


@dataclass(frozen=True)
class Removal:
    """The messages with an id from ``first`` to ``last`` are gone."""

    first: int
    last: int


class Removed:
    """Ids of removed messages, as ranges, because neighbours are removed one after the other."""

    def __init__(self, removals: Sequence[Removal] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for one in sorted(removals, key=lambda one: one.first):
            if self._lasts and one.first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], one.last)
            else:
                self._firsts.append(one.first)
                self._lasts.append(one.last)

    def __contains__(self, message_id: int) -> bool:
        """Tell whether the message with this id is gone."""
        index = bisect_right(self._firsts, message_id) - 1
        return index >= 0 and message_id <= self._lasts[index]


def message_line(message_id: int, message: QueuedMessage) -> bytes:
    """Return the line ``["topic", "payload", id]``."""
    topic, payload = message
    return json.dumps([topic, payload.decode(), message_id]).encode() + b"\n"


def removal_line(removal: Removal) -> bytes:
    """Return the line ``[first, last]``."""
    return b"[%d, %d]\n" % (removal.first, removal.last)


def read_lines(file: IO[bytes], end: int = 0) -> Iterator[Entry | Removal | None]:
    """Yield what each line of ``file``, which stands at offset ``end``, says; None if damaged."""
    while True:
        line = file.readline(_MAX_LINE_BYTES)
        if not line:
            return
        start, end = end, end + len(line)
        whole = line
        while whole and not whole.endswith(b"\n"):  # too long, or cut off at the end of the file
            whole = file.readline(_MAX_LINE_BYTES)
            end += len(whole)
        yield _parsed(line, start, end)


def ends_a_line(file: IO[bytes]) -> bool:
    """Tell whether a file that is not empty ends with a whole line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write ``data``, of which an unbuffered file may take a part at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _parsed(line: bytes, start: int, end: int) -> Entry | Removal | None:
    try:
        values = json.loads(line)
        if isinstance(values, int):
            return Removal(0, WITHOUT_ID)  # a position, in a file of version 0.1.0
        if isinstance(values, list) and len(values) == 2 and not isinstance(values[0], str):
            return Removal(*map(_whole, values))
        topic, payload, message_id = values if len(values) == 3 else (*values, None)
        if not isinstance(values, list) or not isinstance(topic, str):
            return None
        checked = WITHOUT_ID if message_id is None else _whole(message_id)
        return Entry(checked, topic, payload.encode(), end - start, end)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("is not an id")
    return value
