"""The messages that wait to be sent: the newest in memory, the others on disk."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from itertools import islice
from typing import Mapping

from .. import hanging
from .backlog import Backlog
from .kinds import KINDS, kind_of
from .lines import QueuedMessage

_KEEP_SECONDS = 1.0
"""A message that is not sent for this long is kept on disk, with those behind it."""

_PATIENCE_SECONDS = 0.5
"""A caller waits for room at most this long, and not at all for a disk that is slower."""

_LOOK_SECONDS = 1.0
"""How often a disk that failed is tried again."""

_SYNC_SECONDS = 1.0
"""How often what was written to disk is made safe from a power cut."""

_TOGETHER = 20
"""This many messages are written to disk at once: all may not fit."""


class WaitingMessages:
    """A queue for several threads that put messages, and one that takes them.

    Up to ``capacity`` messages are in memory. While they cannot be sent, and when there are more
    than half as many, they move to ``backlog``, and all newer ones behind them. When neither has
    room, the oldest message of the least important kind is dropped and counted.

    Only the thread ``backlog`` reads and writes the disk, and ``sync`` syncs it. So a disk that
    hangs delays nobody else; what is in memory is then sent before what is on disk.

    Every attribute is changed with ``_changed`` held, which is never held while the disk works.
    Without it only single values are read, such as ``_busy_since`` and ``_ends_at``.
    """

    def __init__(self, capacity: int, backlog: Backlog | None) -> None:
        """Start the threads, if there is a ``backlog``, with what an earlier process left in it."""
        self._capacity = capacity
        self._backlog = backlog
        self._changed = threading.Condition()
        self._recent: deque[QueuedMessage] = deque()
        """What is in memory only, newer than all others."""
        self._writing: list[QueuedMessage] = []
        """What the thread is writing to disk at present, and is in ``_recent`` no longer."""
        self._next: QueuedMessage | None = None
        """The oldest on disk, as far as it was read."""
        self._taken: QueuedMessage | None = None
        self._taken_is_kept = False
        """Whether what is being sent is on disk too."""
        self._taken_since = 0.0
        self._finished: deque[QueuedMessage] = deque()
        """Of those on disk, what is to be removed there."""
        self._dropped: Counter[str] = Counter()
        self._on_disk: Mapping[str, int] = {}
        """From here to ``_disk_bytes``: what the backlog said last, which only its thread asks."""
        self._disk_count = 0
        self._dropped_on_disk: Mapping[str, int] = {}
        self._disk_bytes = 0
        self._is_unreadable = self._is_stuck = self._is_keeping = False
        self._ends_at: float | None = None
        self._look_at = 0.0
        self._busy_since: float | None = None
        if backlog is None:
            return
        self._note_disk(backlog)
        for name, work in (("backlog", self._run), ("sync", self._sync)):
            threading.Thread(target=work, args=(backlog,), name=name, daemon=True).start()

    def __len__(self) -> int:
        """Return how many messages wait, including the one that was taken."""
        return sum(self.by_kind.values())

    @property
    def by_kind(self) -> dict[str, int]:
        """How many messages of each kind wait."""
        with self._changed:
            waiting = Counter(kind_of(topic) for topic, _ in self._in_memory())
            waiting.update(self._on_disk)
            waiting.subtract(kind_of(topic) for topic, _ in self._finished)
            return {kind: max(0, waiting[kind]) for kind in KINDS}

    @property
    def in_memory(self) -> int:
        """How many messages are not on disk: a kill would lose them."""
        with self._changed:
            return len(self._in_memory())

    @property
    def dropped_by_kind(self) -> dict[str, int]:
        """How many messages of each kind were dropped."""
        with self._changed:
            on_disk = self._dropped_on_disk
            return {kind: self._dropped[kind] + on_disk.get(kind, 0) for kind in KINDS}

    @property
    def disk_bytes(self) -> int:
        """Bytes of disk space that waiting messages use."""
        return self._disk_bytes

    @property
    def disk_fault(self) -> str | None:
        """Why no message can be kept on disk at present, or None."""
        if self._backlog is None:
            return None
        return hanging.hang_fault(self._busy_since) or self._backlog.fault

    def put(self, topic: str, payload: bytes) -> None:
        """Add a message; never waits for a disk that hangs."""
        with self._changed:
            self._recent.append((topic, payload))
            self._changed.notify_all()
            if self._excess() > 0:
                self._changed.wait_for(self._need_not_wait, _PATIENCE_SECONDS)
            self._drop_excess()

    def take(self) -> QueuedMessage | None:
        """Wait for the oldest message and return it, to be followed by :meth:`finish`.

        After :meth:`close` it returns None when there is none, and when its time is over.
        """
        with self._changed:
            while self._taken is None:
                if self._next is not None:
                    self._take(self._next, is_kept=True)
                    self._next = None
                elif self._recent and self._disk_is_skipped():
                    self._take(self._recent.popleft(), is_kept=False)
                elif self._is_over():
                    return None
                else:
                    self._changed.wait(_LOOK_SECONDS)
            self._changed.notify_all()
            return self._taken

    def finish(self) -> None:
        """Remove the message that was taken."""
        with self._changed:
            if self._taken is not None and self._taken_is_kept:
                self._finished.append(self._taken)
            self._taken = None
            self._changed.notify_all()

    def keep_on_disk(self, is_stuck: bool) -> None:
        """Move all messages to disk from now on, or no longer: whether they cannot be sent."""
        with self._changed:
            self._is_stuck = is_stuck
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Let :meth:`take` wait for no more messages, and at most ``seconds`` for the disk."""
        with self._changed:
            self._ends_at = time.monotonic() + seconds
            self._changed.notify_all()

    def keep(self, seconds: float) -> int:
        """Move all messages to disk, for at most ``seconds``; return how many are there."""
        if self._backlog is None:
            return 0
        end = time.monotonic() + seconds
        with self._changed:
            if self._taken is not None and not self._taken_is_kept and self._disk_count:
                self._recent.appendleft(self._taken)
                self._taken = None
            self._is_keeping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_keeping, seconds)
            kept = self._disk_count - len(self._finished)
        sync = threading.Thread(target=self._backlog.sync, name="sync", daemon=True)
        sync.start()
        sync.join(max(0.0, end - time.monotonic()))
        return kept

    def _in_memory(self) -> list[QueuedMessage]:
        messages = [*self._writing, *self._recent]
        if self._taken is not None and not self._taken_is_kept:
            messages.append(self._taken)
        return messages

    def _take(self, message: QueuedMessage, *, is_kept: bool) -> None:
        self._taken, self._taken_is_kept = message, is_kept
        self._taken_since = time.monotonic()

    def _disk_is_skipped(self) -> bool:
        """Tell whether messages in memory are next: there is none on disk, or it gives none."""
        is_empty = not self._writing and not self._disk_count
        patience = hanging.HANGS_SECONDS if self._ends_at is None else _PATIENCE_SECONDS
        return is_empty or self._is_unreadable or self._busy_seconds() > patience

    def _is_over(self) -> bool:
        if self._ends_at is None:
            return False
        is_empty = not self._recent and not self._writing and not self._disk_count
        return is_empty or time.monotonic() >= self._ends_at

    def _busy_seconds(self) -> float:
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def _need_not_wait(self) -> bool:
        is_slow = self._busy_seconds() > _PATIENCE_SECONDS
        is_away = self._backlog is None or self._backlog.is_pausing
        return is_slow or is_away or self._excess() <= 0

    def _excess(self) -> int:
        return len(self._writing) + len(self._recent) - self._capacity

    def _drop_excess(self) -> None:
        """Drop the oldest messages of the least important kinds in memory."""
        while self._recent and self._excess() > 0:
            kinds = [kind_of(topic) for topic, _ in self._recent]
            kind = min(set(kinds), key=KINDS.index)
            del self._recent[kinds.index(kind)]
            self._dropped[kind] += 1

    def _run(self, backlog: Backlog) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._is_due(backlog), _LOOK_SECONDS):
                    continue
                finished = len(self._finished)
                batch, is_taken = self._batch(backlog)
                may_read = not is_taken and self._may_read()
                self._busy_since = time.monotonic()
            for _ in range(finished):
                backlog.done()
            is_written = not batch or backlog.append(batch, first_is_taken=is_taken)
            message = backlog.take() if may_read else None
            with self._changed:
                self._busy_since = None
                for _ in range(finished):
                    self._finished.popleft()
                self._written(batch, is_taken=is_taken, is_written=is_written)
                if may_read:
                    self._next = message
                    self._is_unreadable = message is None and len(backlog) > 0
                    self._look_at = time.monotonic() + _LOOK_SECONDS * self._is_unreadable
                self._note_disk(backlog)
                is_left = bool(self._to_write() or self._finished)
                self._is_keeping = self._is_keeping and is_written and is_left
                self._changed.notify_all()

    def _is_due(self, backlog: Backlog) -> bool:
        reads = self._may_read() and self._disk_count > 0
        return bool(self._finished) or reads or self._should_write(backlog) or self._is_keeping

    def _may_read(self) -> bool:
        is_free = self._next is None and not (self._taken is not None and self._taken_is_kept)
        return is_free and time.monotonic() >= self._look_at

    def _should_write(self, backlog: Backlog) -> bool:
        """Tell whether messages go to disk: because older ones are there, or should be."""
        if self._is_keeping:
            return True
        if backlog.is_pausing or not self._to_write():
            return False
        hangs = self._taken is not None and time.monotonic() - self._taken_since > _KEEP_SECONDS
        too_many = len(self._recent) > self._capacity // 2
        return hangs or too_many or self._is_stuck or self._disk_count > 0

    def _to_write(self) -> list[QueuedMessage]:
        """Return what is next to be written: what is being sent, alone, or the oldest in memory."""
        is_first = not self._disk_count
        if self._taken is not None and not self._taken_is_kept and is_first:
            return [self._taken]
        return list(islice(self._recent, _TOGETHER))

    def _batch(self, backlog: Backlog) -> tuple[list[QueuedMessage], bool]:
        """Return what is to be written now, and whether it is what is being sent."""
        if not self._should_write(backlog):
            return [], False
        batch = self._to_write()
        if batch and batch[0] is self._taken:
            return batch, True
        for _ in batch:
            self._recent.popleft()
        self._writing = batch
        return batch, False

    def _written(self, batch: list[QueuedMessage], *, is_taken: bool, is_written: bool) -> None:
        if not is_written:
            self._recent.extendleft(reversed(self._writing))
            self._drop_excess()
        elif is_taken and self._taken is batch[0]:
            self._taken_is_kept = True
        elif is_taken:  # it was sent meanwhile
            self._finished.append(batch[0])
        self._writing = []

    def _note_disk(self, backlog: Backlog) -> None:
        self._on_disk = dict(backlog.counts)
        self._disk_count = len(backlog)
        self._dropped_on_disk = dict(backlog.dropped)
        self._disk_bytes = backlog.size

    def _sync(self, backlog: Backlog) -> None:
        """Sync on a thread of its own: messages need not wait for a disk that is slow to sync."""
        while self._ends_at is None:
            time.sleep(_SYNC_SECONDS)
            backlog.sync()
