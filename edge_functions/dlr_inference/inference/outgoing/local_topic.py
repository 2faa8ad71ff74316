"""Predictions for other components of the same device: only the newest matter there."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import Callable

_CAPACITY = 16
"""Messages that wait while the nucleus is slow; then the oldest goes."""

_log = logging.getLogger(__name__)


@dataclass
class LocalCounters:
    """What became of the messages: ``dropped`` are those that waited too long."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0


class LocalPublisher:
    """Publishes messages on a topic of the device by its own thread, each at most once.

    A component that misses a message gets the next one, so nothing is kept or repeated. Neither a
    refusal nor a nucleus that hangs reaches the loop over frames.
    """

    def __init__(self, send: Callable[[str, bytes], None]) -> None:
        """``send`` publishes a payload on a topic, and raises ``OSError`` if it cannot."""
        self.counters = LocalCounters()
        self._send = send
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._ready = threading.Condition()
        self._stopping = False
        self._is_failing = False
        self._thread: threading.Thread | None = None

    def put(self, topic: str, payload: bytes) -> None:
        """Accept a message; never waits for the nucleus. The first one starts the thread."""
        with self._ready:
            if self._stopping:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="local topic", daemon=True)
                self._thread.start()
            if len(self._waiting) >= _CAPACITY:
                self._waiting.popleft()
                self.counters.dropped += 1
            self._waiting.append((topic, payload))
            self._ready.notify()

    def close(self) -> None:
        """Stop, after waiting up to a second for the message that is being sent."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                topic, payload = self._waiting.popleft()
            try:
                self._send(topic, payload)
            except OSError as error:
                self.counters.failed += 1
                if not self._is_failing:
                    _log.warning("nothing is published on the local topic %s: %s", topic, error)
                self._is_failing = True
            else:
                self.counters.sent += 1
                if self._is_failing:
                    _log.info("the local topic %s has predictions again", topic)
                self._is_failing = False
