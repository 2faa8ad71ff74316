"""Messages on their way to the broker: none is lost while there is room for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Callable

from .backoff import Backoff
from .errors import RefusedError

_log = logging.getLogger(__name__)

Send = Callable[[str, bytes], None]
"""Sends a payload to a topic; raises ``RefusedError`` if it never will, other ``OSError`` if it
could not now."""


@dataclass(frozen=True)
class OutboxCounters:
    """What became of the messages: accepted = sent + dropped + refused + those still waiting."""

    accepted: int = 0
    sent: int = 0
    dropped: int = 0
    refused: int = 0
    retried: int = 0


class Outbox:
    """A bounded queue, emptied in order by a thread of its own that retries until a message is out.

    When it is full the oldest message makes room, and is counted. ``fault`` says why nothing goes
    out at present, if that is so.
    """

    def __init__(
        self,
        send: Send,
        *,
        capacity: int = 1_000,
        messages_a_second: float = 0,
        backoff: Backoff | None = None,
    ) -> None:
        """Start the thread. ``messages_a_second`` 0 is no limit."""
        self.counters = OutboxCounters()
        self.fault: str | None = None
        self._send = send
        self._capacity = capacity
        self.limit_rate(messages_a_second)
        self._backoff = backoff if backoff is not None else Backoff(first=0.25, cap=5.0)
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._closing = False
        self._in_work = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; never blocks."""
        with self._changed:
            self._waiting.append((topic, payload))
            dropped = len(self._waiting) > self._capacity
            if dropped:
                self._waiting.popleft()
            self._count(accepted=1, dropped=int(dropped))
            self._changed.notify_all()

    def limit_rate(self, messages_a_second: float) -> None:
        """Send at most so many messages a second from now on; 0 is no limit."""
        self._gap = 1 / messages_a_second if messages_a_second else 0.0

    def __len__(self) -> int:
        """Return how many messages wait, with the one in work."""
        with self._changed:
            return len(self._waiting) + int(self._in_work)

    def close(self, seconds: float) -> int:
        """Send what waits for at most ``seconds``; return how many messages did not get out."""
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
                topic, payload = self._waiting.popleft()
                self._in_work = True
            if not self._deliver(topic, payload):
                return
            if self._stopping.wait(self._gap):
                return

    def _deliver(self, topic: str, payload: bytes) -> bool:
        """Try until the message is out or refused; return False if stopped before that."""
        while not self._stopping.is_set():
            try:
                self._send(topic, payload)
            except RefusedError as error:
                _log.error("a message on %s was refused for good: %s", topic, error)
                self._finish(refused=1)
                return True
            except OSError as error:
                if self.fault is None:
                    _log.warning("messages wait, the first on %s: %s", topic, error)
                self.fault = str(error)
                self._count(retried=1)
                self._stopping.wait(self._backoff.next())
            else:
                if self.fault is not None:
                    _log.info("messages go out again; %d waited", len(self))
                self.fault = None
                self._backoff.reset()
                self._finish(sent=1)
                return True
        return False

    def _finish(self, *, sent: int = 0, refused: int = 0) -> None:
        with self._changed:
            self._in_work = False
            self._count(sent=sent, refused=refused)

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
