"""The queue of messages for the broker: none is lost while there is room."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import Callable

from ..backoff import Backoff
from ..errors import RefusedError
from .backlog import Backlog
from .kinds import KINDS, kind_of
from .lines import QueuedMessage

_HANGS_SECONDS = 7.0
"""A message that is neither accepted nor refused for this long is a fault."""

_KEEP_SECONDS = 1.0
"""A message that is not sent for this long is kept on disk, with those behind it."""

_LOOK_SECONDS = 2.0
"""How often a backlog that could not be read is tried again."""

_SYNC_SECONDS = 1.0
"""How often what was written to disk is made safe from a power cut."""

_TOGETHER = 20
"""So many messages are written to disk at once."""

_log = logging.getLogger(__name__)

Send = Callable[[str, bytes], None]
"""Sends a payload to a topic. Raises ``RefusedError`` if it never will, another ``OSError`` if it
cannot now."""


@dataclass(frozen=True)
class OutboxCounters:
    """What became of the messages: accepted = sent + dropped + refused + those still waiting."""

    accepted: int = 0
    sent: int = 0
    dropped: int = 0
    refused: int = 0
    retried: int = 0


class Outbox:
    """A queue, sent in order by its own thread, which retries until a message is sent.

    Up to ``capacity`` messages are in memory. While messages cannot be sent, and when there are
    more, all are in ``backlog``, which a later process sends if this one ends. When neither has
    room, the oldest message of the least important kind is dropped and counted.
    """

    def __init__(
        self,
        send: Send,
        *,
        capacity: int = 1_000,
        messages_a_second: float = 0,
        backoff: Backoff | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        """Start the thread, with what an earlier one left. ``messages_a_second`` 0 is no limit."""
        self._backlog = backlog
        self._counts: Counter[str] = Counter(accepted=self._backlog_len())
        self._dropped: Counter[str] = Counter()
        self._failure: str | None = None
        self._send = send
        self._capacity = capacity
        self.limit_rate(messages_a_second)
        self._backoff = backoff if backoff is not None else Backoff(first=0.25, cap=5.0)
        self._recent: deque[QueuedMessage] = deque()
        """What is not on disk; it is sent after what is."""
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._closing = False
        self._in_work: QueuedMessage | None = None
        self._in_work_is_kept = False
        self._sending_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()
        if backlog is not None:
            sync = threading.Thread(target=self._sync, args=(backlog,), name="sync", daemon=True)
            sync.start()

    @property
    def counters(self) -> OutboxCounters:
        """What became of the messages so far."""
        with self._changed:
            return OutboxCounters(**self._counts, dropped=sum(self.dropped_by_kind.values()))

    @property
    def dropped_by_kind(self) -> dict[str, int]:
        """How many messages of each kind were dropped."""
        with self._changed:
            on_disk = Counter() if self._backlog is None else self._backlog.dropped
            return {kind: self._dropped[kind] + on_disk[kind] for kind in KINDS}

    @property
    def waiting_by_kind(self) -> dict[str, int]:
        """How many messages of each kind are waiting."""
        with self._changed:
            waiting = Counter(kind_of(topic) for topic, _ in self._recent)
            if self._in_work is not None and not self._in_work_is_kept:
                waiting[kind_of(self._in_work[0])] += 1
            if self._backlog is not None:
                waiting.update(self._backlog.counts)
            return {kind: waiting[kind] for kind in KINDS}

    @property
    def disk_bytes(self) -> int:
        """Bytes of disk space that waiting messages use."""
        return 0 if self._backlog is None else self._backlog.size

    @property
    def fault(self) -> str | None:
        """Why nothing can be sent at present, or None."""
        since = self._sending_since
        if self._failure is None and since is not None:
            seconds = time.monotonic() - since
            if seconds > _HANGS_SECONDS:
                return f"no answer for {seconds:.0f} s"
        return self._failure

    def put(self, topic: str, payload: bytes) -> None:
        """Accept a message; never waits for the broker."""
        with self._changed:
            self._counts["accepted"] += 1
            self._recent.append((topic, payload))
            if self._should_keep():
                self._keep_recent()
            while len(self._recent) > self._capacity:
                self._drop_one()
            self._changed.notify_all()

    def limit_rate(self, messages_a_second: float) -> None:
        """Send at most this many messages per second from now on; 0 is no limit."""
        self._gap = 1 / messages_a_second if messages_a_second else 0.0

    def __len__(self) -> int:
        """Return how many messages are waiting, including the one being sent."""
        return sum(self.waiting_by_kind.values())

    def keep(self) -> int:
        """Leave the waiting messages to the next process; return how many it will send."""
        with self._changed:
            self._keep_recent()
            kept = self._backlog_len()
        if self._backlog is not None:
            self._backlog.sync()
        return kept

    def close(self, seconds: float) -> int:
        """Keep sending for at most ``seconds``; return how many messages were not sent."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        self._thread.join(1.0)
        return len(self)

    def _backlog_len(self) -> int:
        return 0 if self._backlog is None else len(self._backlog)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._take():
                    if self._closing:
                        return
                    self._changed.wait(_LOOK_SECONDS if self._backlog_len() else None)
                assert self._in_work is not None
                topic, payload = self._in_work
            if not self._deliver(topic, payload):
                return
            if self._stopping.wait(self._gap):
                return

    def _sync(self, backlog: Backlog) -> None:
        """Sync on a thread of its own: neither a caller nor a message waits for the disk."""
        while not self._stopping.wait(_SYNC_SECONDS):
            backlog.sync()

    def _take(self) -> bool:
        """Take the next message into work; return False if there is none."""
        self._in_work = None if self._backlog is None else self._backlog.take()
        self._in_work_is_kept = self._in_work is not None
        if self._in_work is None and self._recent:
            self._in_work = self._recent.popleft()
        return self._in_work is not None

    def _deliver(self, topic: str, payload: bytes) -> bool:
        """Try until the message is sent or refused; return False if stopped before that."""
        while not self._stopping.is_set():
            try:
                self._sending_since = time.monotonic()
                self._send(topic, payload)
            except RefusedError as error:
                _log.error("a message on %s was refused for good: %s", topic, error)
                self._finish("refused")
                return True
            except OSError as error:
                if self._failure is None:
                    _log.warning("messages wait, the first on %s: %s", topic, error)
                self._failure = str(error)
                with self._changed:
                    self._counts["retried"] += 1
                    if self._should_keep():
                        self._keep_recent()
                self._stopping.wait(self._backoff.next())
            else:
                if self._failure is not None:
                    _log.info("messages go out again; %d waited", len(self))
                self._failure = None
                self._backoff.reset()
                self._finish("sent")
                return True
            finally:
                self._sending_since = None
        return False

    def _finish(self, outcome: str) -> None:
        with self._changed:
            self._counts[outcome] += 1
            self._in_work = None
            if self._in_work_is_kept and self._backlog is not None:
                self._backlog.done()

    def _should_keep(self) -> bool:
        """Tell whether new messages go to disk: because older ones are there, or should be."""
        if self._backlog is None or self._backlog.is_pausing:
            return False
        since = self._sending_since
        hangs = since is not None and time.monotonic() - since > _KEEP_SECONDS
        too_many = len(self._recent) > self._capacity
        return bool(len(self._backlog)) or hangs or too_many or self._failure is not None

    def _keep_recent(self) -> None:
        """Move to disk what is in memory only, a few messages at a time: all may not fit."""
        if self._backlog is None:
            return
        in_work = self._in_work
        if in_work is not None and not self._in_work_is_kept and not len(self._backlog):
            if not self._backlog.append([in_work], first_is_taken=True):
                return
            self._in_work_is_kept = True
        while self._recent:
            some = list(islice(self._recent, _TOGETHER))
            if not self._backlog.append(some):
                return
            for _ in some:
                self._recent.popleft()

    def _drop_one(self) -> None:
        """Drop the oldest message of the least important kind in memory."""
        kinds = [kind_of(topic) for topic, _ in self._recent]
        kind = min(set(kinds), key=KINDS.index)
        del self._recent[kinds.index(kind)]
        self._dropped[kind] += 1
