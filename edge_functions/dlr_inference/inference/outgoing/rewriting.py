"""Writing the file of unsent messages again, without those that nobody needs."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Mapping

from .kinds import KINDS
from .lines import WITHOUT_ID, Entry, message_line


@dataclass
class Rewritten:
    """What is in the file now: the message that was taken is in it, the dropped ones are not."""

    next_id: int
    size: int = 0
    taken: Entry | None = None
    counts: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def bytes_to_drop(waiting: Mapping[str, int], room: int, limit: int) -> dict[str, int]:
    """Return how many of the ``waiting`` bytes of each kind to drop for ``room`` more.

    A quarter of the limit is freed with them, so that this does not happen often.
    """
    excess = max(0, sum(waiting.values()) + room - limit)
    if excess:
        excess += limit // 4
    to_drop = {}
    for kind in KINDS:
        to_drop[kind] = min(excess, waiting.get(kind, 0))
        excess -= to_drop[kind]
    return to_drop


def rewrite(
    path: Path,
    entries: Iterable[Entry],
    to_drop: dict[str, int],
    *,
    taken: Entry | None,
    next_id: int,
) -> Rewritten:
    """Replace the file by one with ``entries``, but for the oldest of each kind in ``to_drop``.

    The one that is ``taken`` is kept; those without an id get the next ones.

    Raises:
        OSError: if the disk rejects it; the file is as before.
    """
    try:
        made = _written(_partial_of(path), entries, to_drop, taken, next_id)
        _partial_of(path).replace(path)
    except OSError:
        discard_partial(path)  # it has taken what was free on a full disk
        raise
    return made


def discard_partial(path: Path) -> None:
    """Remove what an attempt to write the file again has left, also one of an earlier process."""
    with suppress(OSError):
        _partial_of(path).unlink()


def _partial_of(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _written(
    partial: Path,
    entries: Iterable[Entry],
    to_drop: dict[str, int],
    taken: Entry | None,
    next_id: int,
) -> Rewritten:
    made = Rewritten(next_id)
    with partial.open("wb") as target:
        for entry in entries:
            is_taken = taken is not None and entry.id == taken.id
            if to_drop[entry.kind] > 0 and not is_taken:
                to_drop[entry.kind] -= entry.size
                made.dropped[entry.kind] += 1
                continue
            message_id = entry.id
            if message_id == WITHOUT_ID:
                message_id, made.next_id = made.next_id, made.next_id + 1
            line = message_line(message_id, (entry.topic, entry.payload))
            target.write(line)
            made.size += len(line)
            made.counts[entry.kind] += 1
            made.bytes[entry.kind] += len(line)
            if is_taken:
                made.taken = Entry(message_id, entry.topic, entry.payload, len(line), made.size)
        target.flush()
        os.fsync(target.fileno())  # a power cut must not leave an empty file
    return made
