"""The queue of messages for the broker: none is lost while there is room."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Callable

from ..backoff import Backoff
from ..errors import RefusedError
from .backlog import Backlog, QueuedMessage

_HANGS_SECONDS = 7.0
"""A message that is neither accepted nor refused for this long is a fault."""

_KEEP_SECONDS = 1.0
"""A message that is not sent for this long is kept on disk, with those behind it."""

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
    """A bounded queue, sent in order by its own thread, which retries until a message is sent.

    When it is full, the oldest message is dropped and counted. While messages cannot be sent, they
    are in ``backlog`` too, from which the next process sends them if this one ends.
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
        left = backlog.take()[-capacity:] if backlog else []
        self.counters = OutboxCounters(accepted=len(left))
        self._backlog = backlog
        # Written again, because the last line may have been cut off.
        self._kept = backlog is not None and bool(left) and backlog.write(left)
        self._failure: str | None = None
        self._send = send
        self._capacity = capacity
        self.limit_rate(messages_a_second)
        self._backoff = backoff if backoff is not None else Backoff(first=0.25, cap=5.0)
        self._waiting: deque[QueuedMessage] = deque(left)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._closing = False
        self._in_work: QueuedMessage | None = None
        self._sending_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

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
        """Accept a message; never blocks."""
        with self._changed:
            self._waiting.append((topic, payload))
            dropped = len(self._waiting) > self._capacity
            self._keep_too((topic, payload))
            if dropped:
                self._waiting.popleft()
                self._forget(0 if self._in_work is None else 1)
            self._count(accepted=1, dropped=int(dropped))
            self._changed.notify_all()

    def limit_rate(self, messages_a_second: float) -> None:
        """Send at most this many messages per second from now on; 0 is no limit."""
        self._gap = 1 / messages_a_second if messages_a_second else 0.0

    def __len__(self) -> int:
        """Return how many messages are waiting, including the one being sent."""
        with self._changed:
            return len(self._waiting) + int(self._in_work is not None)

    def unsent(self) -> list[QueuedMessage]:
        """Return the waiting messages, the one being sent first."""
        with self._changed:
            return [*([self._in_work] if self._in_work else []), *self._waiting]

    def keep(self) -> int:
        """Leave the waiting messages to the next process; return how many it will send."""
        with self._changed:
            self._write()
            return len(self) if self._kept else 0

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

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closing)
                if not self._waiting:
                    return
                self._in_work = self._waiting.popleft()
            if not self._deliver(*self._in_work):
                return
            if self._stopping.wait(self._gap):
                return

    def _deliver(self, topic: str, payload: bytes) -> bool:
        """Try until the message is sent or refused; return False if stopped before that."""
        while not self._stopping.is_set():
            try:
                self._sending_since = time.monotonic()
                self._send(topic, payload)
            except RefusedError as error:
                _log.error("a message on %s was refused for good: %s", topic, error)
                self._finish(refused=1)
                return True
            except OSError as error:
                if self._failure is None:
                    _log.warning("messages wait, the first on %s: %s", topic, error)
                self._failure = str(error)
                self._count(retried=1)
                with self._changed:
                    if not self._kept:
                        self._try_to_write()
                self._stopping.wait(self._backoff.next())
            else:
                if self._failure is not None:
                    _log.info("messages go out again; %d waited", len(self))
                self._failure = None
                self._backoff.reset()
                self._finish(sent=1)
                return True
            finally:
                self._sending_since = None
        return False

    def _finish(self, *, sent: int = 0, refused: int = 0) -> None:
        with self._changed:
            self._in_work = None
            self._count(sent=sent, refused=refused)
            self._forget(0)

    def _keep_too(self, message: QueuedMessage) -> None:
        """Keep a new message on disk if the others are there already, or should be by now."""
        if self._backlog is None:
            return
        since = self._sending_since
        hangs = since is not None and time.monotonic() - since > _KEEP_SECONDS
        if self._kept and self._backlog.lines < 4 * self._capacity:
            self._kept = self._backlog.append(message)
        elif self._kept or hangs or self._failure is not None:
            self._try_to_write()

    def _forget(self, position: int) -> None:
        """Note on disk that the message at ``position`` of the queue is gone."""
        if self._backlog is None:
            return
        if self._kept and len(self):
            self._kept = self._backlog.remove(position)
        elif self._backlog.lines and not len(self):
            self._backlog.clear()
            self._kept = False

    def _try_to_write(self) -> None:
        if self._backlog is not None and not self._backlog.is_pausing:
            self._write()

    def _write(self) -> None:
        if self._backlog is not None:
            self._kept = len(self) > 0 and self._backlog.write(self.unsent())

    def _count(
        self,
        *,
        accepted: int = 0,
        sent: int = 0,
        dropped: int = 0,
        refused: int = 0,
        retried: int = 0,
    ) -> None:
        with self._changed:
            before = self.counters
            self.counters = replace(
                before,
                accepted=before.accepted + accepted,
                sent=before.sent + sent,
                dropped=before.dropped + dropped,
                refused=before.refused + refused,
                retried=before.retried + retried,
            )
