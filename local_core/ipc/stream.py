"""The events of one subscription, in order and never ahead of the subscription's reply."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

Body = Mapping[str, Any]


class EventStream:
    """Holds events back until :meth:`open`; a client would take an earlier one for the reply."""

    def __init__(self, send: Callable[[str, Body], None]) -> None:
        self._send = send
        self._lock = threading.RLock()
        self._held: list[tuple[str, Body]] | None = []
        self._closed = False
        self._on_close: list[Callable[[], None]] = []

    def send(self, shape: str, body: Body) -> None:
        """Send one event, whose type in the service model is ``shape``; nothing once closed."""
        with self._lock:
            if self._closed:
                return
            if self._held is not None:
                self._held.append((shape, body))
            else:
                self._send(shape, body)

    def open(self) -> None:
        """Send what was held back; from now on events are sent at once."""
        with self._lock:
            held, self._held = self._held or [], None
            for shape, body in held:
                self.send(shape, body)

    def on_close(self, action: Callable[[], None]) -> None:
        """Call ``action`` when the stream closes, or now if it is closed."""
        with self._lock:
            if not self._closed:
                self._on_close.append(action)
                return
        action()

    def close(self) -> None:
        """End the stream, from either side."""
        with self._lock:
            self._closed = True
            actions, self._on_close = self._on_close, []
        for action in actions:
            action()
