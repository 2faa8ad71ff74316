"""The queue of messages for the broker: none is lost while there is room."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Callable

from ..backoff import Backoff
from ..errors import RefusedError
from ..hanging import hang_fault
from .backlog import Backlog
from .waiting import WaitingMessages

_FREE_SHARE = 0.1
"""Up to this share of its room in use, an outbox keeps up: feedback alone adds bursts."""

_LOOK_SECONDS = 1.0
"""How often a wait for the rate limit checks whether the limit has changed."""

_KEEP_SECONDS = 2.0
"""How long the end waits for a disk that hangs."""

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

    The messages wait as :class:`WaitingMessages` says: ``backlog`` has those that cannot be sent,
    and those that an earlier process left.
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
        """Start the thread with what an earlier one left; ``messages_a_second`` 0 is no limit."""
        self.waiting = WaitingMessages(capacity, backlog)
        """How many messages of each kind wait or were dropped, and what the disk's fault is."""
        self._few = int(capacity * _FREE_SHARE)
        self._counts: Counter[str] = Counter(accepted=len(self.waiting))
        self._lock = threading.Lock()
        self._failure: str | None = None
        self._send = send
        self.limit_rate(messages_a_second)
        self._backoff = backoff if backoff is not None else Backoff(first=0.25, cap=5.0)
        self._stopping = threading.Event()
        self._sending_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> OutboxCounters:
        """What became of the messages so far."""
        dropped = sum(self.waiting.dropped_by_kind.values())
        with self._lock:
            return OutboxCounters(**self._counts, dropped=dropped)

    @property
    def fault(self) -> str | None:
        """Why nothing can be sent at present, or None."""
        return hang_fault(self._sending_since) if self._failure is None else self._failure

    def is_free(self) -> bool:
        """Return whether the broker accepts messages about as fast as they come."""
        return self.fault is None and len(self) <= self._few

    def put(self, topic: str, payload: bytes) -> None:
        """Accept a message; never waits for the broker, nor for a disk that hangs."""
        self._count("accepted")
        self.waiting.put(topic, payload)

    def limit_rate(self, messages_a_second: float) -> None:
        """Send at most this many messages per second from now on; 0 means no limit."""
        self._gap = 1 / messages_a_second if messages_a_second else 0.0

    def __len__(self) -> int:
        """Return how many messages are waiting, including the one being sent."""
        return len(self.waiting)

    def keep(self) -> int:
        """Leave the waiting messages to the next process; return how many it will send."""
        return self.waiting.keep(_KEEP_SECONDS)

    def close(self, seconds: float) -> int:
        """Keep sending for at most ``seconds``; return how many messages were not sent."""
        deadline = time.monotonic() + seconds
        self.waiting.close(seconds)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        self._thread.join(1.0)
        return len(self)

    def _run(self) -> None:
        while True:
            message = self.waiting.take()
            if message is None or not self._deliver(*message) or not self._wait_for_turn():
                return

    def _wait_for_turn(self) -> bool:
        """Wait until the rate limit, which may change meanwhile, allows the next message.

        Return False if stopped before that.
        """
        began = time.monotonic()
        while not self._stopping.is_set():
            left = began + self._gap - time.monotonic()
            if left <= 0:
                return True
            self._stopping.wait(min(left, _LOOK_SECONDS))
        return False

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
                self._count("retried")
                self.waiting.keep_on_disk(True)
                self._stopping.wait(self._backoff.next())
            else:
                if self._failure is not None:
                    _log.info("messages go out again; %d waited", len(self))
                self._failure = None
                self.waiting.keep_on_disk(False)
                self._backoff.reset()
                self._finish("sent")
                return True
            finally:
                self._sending_since = None
        return False

    def _finish(self, outcome: str) -> None:
        self._count(outcome)
        self.waiting.finish()

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
