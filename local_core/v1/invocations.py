"""Invocations of functions and connectors, and their results."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import LocalCoreError

QUEUE_SIZE = 1_000
"""How many invocations may wait for one function."""


@dataclass(frozen=True)
class Result:
    """What an invocation returned. ``error`` is empty, ``Handled`` or ``Unhandled``."""

    payload: bytes = b""
    error: str = ""

    @classmethod
    def failure(cls, error: str, message: str) -> Result:
        """Return a result that carries an error's message."""
        return cls(json.dumps({"errorMessage": message}).encode(), error)


@dataclass(frozen=True, eq=False)
class Invocation:
    """One invocation. ``client_context`` is base64 of a JSON object, or empty."""

    payload: bytes
    client_context: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: Future[Result] = field(default_factory=Future)

    @property
    def custom(self) -> Mapping[str, Any]:
        """The value of ``custom`` in the client context; empty if there is none."""
        try:
            context = json.loads(base64.b64decode(self.client_context) or b"{}")
        except ValueError:
            return {}
        custom = context.get("custom") if isinstance(context, dict) else None
        return custom if isinstance(custom, dict) else {}

    def finish(self, result: Result) -> None:
        """Hand over the result; a second one is ignored."""
        if not self.done.done():
            self.done.set_result(result)


class QueueFullError(LocalCoreError):
    """No more invocations can wait for a function."""


class Invocable(Protocol):
    """What can be invoked: a function's queue, or a connector."""

    def accept(self, work: Invocation) -> None:
        """Take ``work``, and finish it later.

        Raises:
            QueueFullError: if there is too much of it.
        """


class InvocationQueue:
    """The invocations of one function, handed to one of its processes at a time."""

    def __init__(self, size: int = QUEUE_SIZE) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._waiting: deque[Invocation] = deque()
        self._taken: dict[str, Invocation] = {}
        self._process = 0
        self._open = True

    def accept(self, work: Invocation) -> None:
        """Queue ``work`` for the function's process."""
        with self._changed:
            if len(self._waiting) >= self._size:
                raise QueueFullError
            self._waiting.append(work)
            self._changed.notify_all()

    def renew(self) -> int:
        """Return the number of a new process; what the last one had taken has failed."""
        with self._changed:
            self._process += 1
            self._fail(self._taken, "the function's process ended")
            self._changed.notify_all()
            return self._process

    def take(
        self, process: int, alive: Callable[[], bool], poll_seconds: float
    ) -> Invocation | None:
        """Wait for work; None once ``process`` is not ``alive`` or not the current one."""
        with self._changed:
            while self._open and process == self._process and alive():
                if self._waiting:
                    work = self._waiting.popleft()
                    self._taken[work.id] = work
                    return work
                self._changed.wait(poll_seconds)
        return None

    def finish(self, invocation_id: str, result: Result) -> None:
        """Hand over the result of work that was taken."""
        with self._changed:
            work = self._taken.pop(invocation_id, None)
        if work is not None:
            work.finish(result)

    def close(self) -> None:
        """Hand out no more work; whatever is queued or taken fails."""
        with self._changed:
            self._open = False
            self._fail(self._taken, "the core is stopping")
            self._fail({work.id: work for work in self._waiting}, "the core is stopping")
            self._waiting.clear()
            self._changed.notify_all()

    @staticmethod
    def _fail(works: dict[str, Invocation], reason: str) -> None:
        for work in works.values():
            work.finish(Result.failure("Unhandled", reason))
        works.clear()
