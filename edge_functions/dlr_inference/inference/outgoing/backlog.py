"""Messages that wait for the broker on disk: far more than fit into memory."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from itertools import islice
from pathlib import Path
from typing import IO, Iterator, Sequence

from ..syncing import sync_path
from .lines import (
    WITHOUT_ID,
    Entry,
    QueuedMessage,
    Removal,
    Removed,
    ends_a_line,
    message_line,
    read_lines,
    removal_line,
    write_all,
)
from .rewriting import bytes_to_drop, discard_partial, rewrite

LIMIT_BYTES = 64 << 20
"""Largest file. An hour at one frame per second, with the largest messages, is 26 MB."""

_BATCH = 100
"""This many messages are in memory at once."""

_RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Backlog:
    """A queue in a file, which outlives the process. Not safe for several threads at once, except
    for :meth:`sync`, without which a power cut may lose the last messages.

    A line is a message, ``["topic", "payload", id]``, or ``[id, id]``, the first and the last of
    removed messages. So a kill while the queue is processed repeats one message at most, and a
    damaged line affects no other. When the file reaches its limit, it is written again without what
    was removed and, if necessary, without the oldest messages of the least important kinds.

    A disk that rejects messages is logged once and is not an error: they are then in memory only.
    """

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        """Find what an earlier process left. Damaged lines are logged and left out."""
        self.counts: Counter[str] = Counter()
        """Messages that wait, by kind, including the one that was taken."""
        self.dropped: Counter[str] = Counter()
        """Messages that made room for others, by kind."""
        self.size = 0
        """Bytes of the file."""
        self.fault: str | None = None
        """Why the disk rejects messages at present, or None."""
        self._path = path
        self._limit = limit
        self._bytes: Counter[str] = Counter()
        self._cut_off = False
        self._is_synced = True
        self._sync_fails = False
        self._removed = Removed()
        self._next_id = 0
        self._read_to = 0
        self._done_to = 0
        self._batch: deque[Entry] = deque()
        self._taken: Entry | None = None
        self._not_noted: Removal | None = None
        self._next_try = self._next_read = 0.0
        discard_partial(path)
        try:
            self._scan()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error("the messages in %s cannot be read: %s", self._path, error)

    def __len__(self) -> int:
        """Return how many messages wait, including the one that was taken."""
        return sum(self.counts.values())

    @property
    def is_pausing(self) -> bool:
        """Whether the disk failed a moment ago, so that it is too early to write again."""
        return time.monotonic() < self._next_try

    def append(self, messages: Sequence[QueuedMessage], *, first_is_taken: bool = False) -> bool:
        """Add ``messages``, all or none; return False if the disk rejects them.

        With ``first_is_taken``, for an empty backlog only, the first is being sent already.
        """
        if len(self) and self._is_gone():
            self._lost()
        room = sum(len(message_line(self._next_id, message)) for message in messages)
        if self.size + room > self._limit and len(self) and not self._shrink(room):
            return False
        ids = range(self._next_id, self._next_id + len(messages))
        lines = [message_line(one, message) for one, message in zip(ids, messages)]
        start = self._write(b"".join(lines))
        if start is None:
            return False
        self._next_id = ids.stop
        for one, (topic, payload), line in zip(ids, messages, lines):
            start += len(line)
            entry = Entry(one, topic, payload, len(line), start)
            self._add(entry)
            if first_is_taken and self._taken is None:
                self._taken = entry
                self._read_to = entry.end
        return True

    def take(self) -> QueuedMessage | None:
        """Return the oldest message, to be followed by :meth:`done`; None if none can be read."""
        if not self._batch and len(self) and time.monotonic() >= self._next_read:
            self._read_batch()
        if not self._batch:
            return None
        self._taken = self._batch.popleft()
        return self._taken.topic, self._taken.payload

    def done(self) -> None:
        """Remove the message that was taken."""
        entry, self._taken = self._taken, None
        if entry is None:
            return
        self._remove(entry)
        self._done_to = entry.end
        if not len(self) and self._clear():
            return
        if entry.id != WITHOUT_ID:
            first = self._not_noted.first if self._not_noted else entry.id
            self._not_noted = Removal(first, entry.id)
        if self._is_gone():
            self._lost()
        elif not self.is_pausing:
            self._write(b"")

    def sync(self) -> None:
        """Make what was written survive a power cut. It takes as long as the disk does."""
        if self._is_synced:
            return
        self._is_synced = True  # before, because more may be written meanwhile
        try:
            for path in (self._path, self._path.parent):
                sync_path(path)
        except FileNotFoundError:
            pass  # everything was sent meanwhile
        except OSError as error:
            self._is_synced = False
            if not self._sync_fails:
                _log.error("%s may lose messages in a power cut: %s", self._path, error)
            self._sync_fails = True
        else:
            self._sync_fails = False

    def _scan(self) -> None:
        """Count what is in the file, and find out what of it was removed."""
        damaged = highest = 0
        removals: list[Removal] = []
        without_id = False
        with self._path.open("rb") as file:
            for line in read_lines(file):
                if isinstance(line, Removal):
                    removals.append(line)
                    highest = max(highest, line.last)
                elif line is not None:
                    highest = max(highest, line.id)
                    without_id |= line.id == WITHOUT_ID
                else:
                    damaged += 1
            self.size = file.tell()
            self._next_id = highest + 1
            self._removed = Removed(removals)
            self._cut_off = not ends_a_line(file)
            for entry in self._entries(file, 0):
                self._add(entry)
        if damaged:
            _log.error("%s: %d damaged lines are left out", self._path, damaged)
        if without_id:
            self._shrink(0)
        elif not len(self):
            self._clear()

    def _entries(self, file: IO[bytes], offset: int) -> Iterator[Entry]:
        """Yield the messages in ``file`` from ``offset`` that were not removed."""
        file.seek(offset)
        for line in read_lines(file, offset):
            if isinstance(line, Entry) and line.id not in self._removed:
                yield line

    def _add(self, entry: Entry) -> None:
        self.counts[entry.kind] += 1
        self._bytes[entry.kind] += entry.size

    def _remove(self, entry: Entry) -> None:
        self.counts[entry.kind] -= 1
        self._bytes[entry.kind] -= entry.size

    def _read_batch(self) -> None:
        try:
            with self._path.open("rb") as file:
                self._batch.extend(islice(self._entries(file, self._read_to), _BATCH))
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.error("the messages in %s cannot be read: %s", self._path, error)
            self._next_read = time.monotonic() + _RETRY_SECONDS
            return
        if self._batch:
            self._read_to = self._batch[-1].end
        else:
            self._lost()

    def _is_gone(self) -> bool:
        """Tell whether somebody else removed the file or cut it off."""
        try:
            return self._path.stat().st_size < self.size
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def _lost(self) -> None:
        """Note that the file was removed or cut off by somebody else."""
        if self._taken is not None:  # which the caller has
            self._remove(self._taken)
        _log.error("the messages in %s cannot be read: %d are gone", self._path, len(self))
        self.dropped.update(self.counts)
        self._clear()

    def _write(self, data: bytes) -> int | None:
        """Append ``data`` after what is still to be noted; return where it begins, or None."""
        head = b"\n" if self._cut_off else b""
        if self._not_noted is not None:
            head += removal_line(self._not_noted)
        try:
            with self._path.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    write_all(file, head + data)
                except OSError:
                    file.truncate(before)
                    raise
        except OSError as error:
            self._failed(error)
            return None
        if self.fault is not None:
            _log.info("unsent messages are kept on disk again")
        self.fault = self._not_noted = None
        self._cut_off = False
        self._is_synced = False
        self.size = before + len(head) + len(data)
        return before + len(head)

    def _shrink(self, room: int) -> bool:
        """Write the file again without what nobody needs; return False if the disk rejects it."""
        to_drop = bytes_to_drop(self._bytes, room, self._limit)
        try:
            with self._path.open("rb") as source:
                entries = self._entries(source, self._done_to)
                made = rewrite(
                    self._path, entries, to_drop, taken=self._taken, next_id=self._next_id
                )
        except OSError as error:
            self._failed(error)
            return False
        self._is_synced = False
        self._reset(size=made.size, taken=made.taken)
        self._next_id = made.next_id
        self.counts, self._bytes = made.counts, made.bytes
        self.dropped.update(made.dropped)
        if made.dropped:
            dropped = dict(made.dropped)
            _log.warning("unsent messages are dropped to make room on disk: %s", dropped)
        return True

    def _clear(self) -> bool:
        """Remove the file, because none of its messages is waiting any more."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.error(
                "%s cannot be removed, its messages will be sent again: %s", self._path, error
            )
            return False
        self._next_try = 0.0
        self.counts.clear()
        self._bytes.clear()
        self._reset(size=0, taken=None)
        return True

    def _reset(self, *, size: int, taken: Entry | None) -> None:
        """Begin at the start of a file of ``size`` bytes, whose first message may be ``taken``."""
        self.size = size
        self._taken = taken
        self._read_to = taken.end if taken else 0
        self._done_to = 0
        self._batch.clear()
        self._removed = Removed()
        self._not_noted = None
        self._cut_off = False

    def _failed(self, error: OSError) -> None:
        if self.fault is None:
            _log.error(
                "unsent messages are in memory only, because the disk rejects them: %s", error
            )
        self.fault = str(error)
        self._next_try = time.monotonic() + _RETRY_SECONDS
