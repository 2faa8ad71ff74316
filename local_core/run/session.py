"""One core's run: its predictions are awaited, and what it does meanwhile is shown."""

from __future__ import annotations

import time
from typing import Any, Self

from ..device.watcher import Received
from ..errors import LocalCoreError
from ..nucleus.lifecycle import State, StateChange
from ..output.console import CoreConsole, Verdict
from ..output.progress import Progress, describe, tail
from ..output.terminal import shown_line
from ..processes.interrupts import Interrupts

PREDICTION_SECONDS = 60.0
"""How long a core that runs may take to its next prediction."""
_POLL_SECONDS = 0.1


class RunError(LocalCoreError):
    """The core did not do what it should; the message says what, and where its log is."""


class Session:
    """A context in which one core runs; leaving it stops the core.

    Hand it each message by :meth:`receive`.
    """

    def __init__(
        self,
        console: CoreConsole,
        *,
        prediction_topic: str,
        progress: Progress,
        interrupts: Interrupts,
    ) -> None:
        self._console = console
        self._prediction_topic = prediction_topic
        self._progress = progress
        self._interrupts = interrupts
        self.predictions: list[float] = []
        """When each prediction arrived, by ``time.monotonic``."""
        self._shows_next = False

    def __enter__(self) -> Self:
        self._console.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._console.__exit__(None, None, None)

    def receive(self, message: Received) -> None:
        """Take a message, from any thread."""
        self._console.events.put(message)

    def await_predictions(self, frames: int) -> None:
        """Show what happens until ``frames`` predictions have arrived.

        Raises:
            RunError: if the core fails, or predicts nothing for too long.
            Interrupted: if the user asked to stop.
        """
        while len(self.predictions) < frames:
            self._interrupts.check()
            self._check_patience(time.monotonic())
            event = self._console.next_event(_POLL_SECONDS)
            if event is not None:
                self._handle(event)

    def follow(self) -> bool:
        """Show what has changed since the last time; return whether anything was shown.

        Of the predictions only one is shown, the first after a change. A failed deployment is shown
        as well: the core takes the next one.
        """
        last: Received | None = None
        is_changed = False
        while not self._console.events.empty():
            event = self._console.events.get()
            if isinstance(event, Received):
                last = event if event.topic == self._prediction_topic else last
                continue
            is_changed = True
            try:
                self._handle(event)
            except RunError as error:
                self._progress.say(str(error))
        if is_changed:
            self._shows_next = True
        elif last is not None and self._shows_next:
            self._shows_next = False
            self._show(last)
            return True
        return is_changed

    def show_waiting(self) -> None:
        """Show what has happened meanwhile, and return."""
        while not self._console.events.empty():
            self._handle(self._console.events.get())

    def _handle(self, event: Any) -> None:
        if isinstance(event, Received):
            self._show(event)
            return
        line = self._console.take(event)
        if isinstance(event, Verdict) and not event.is_success:
            raise RunError(self._with_log(line))
        self._progress.say(line)
        if isinstance(event, StateChange) and event.state is State.FINISHED:
            raise RunError(self._with_log(f"{event.component} has ended"))

    def _show(self, message: Received) -> None:
        if message.topic != self._prediction_topic:
            self._progress.count(message.topic)
            return
        self.predictions.append(message.at)
        self._progress.say(f"{message.topic}: {describe(message.payload)}")
        self._progress.detail(shown_line(message.payload.decode(errors="backslashreplace")))

    def _check_patience(self, now: float) -> None:
        if not self._console.is_settled:
            self._console.remind("waiting for the deployment")
            return
        last_sign = max([self._console.since, *self.predictions[-1:]])
        if now - last_sign > PREDICTION_SECONDS:
            raise RunError(self._with_log(f"no prediction within {PREDICTION_SECONDS:g} s"))

    def _with_log(self, text: str) -> str:
        log = next(iter(self._console.logs()), None)
        if log is None:
            return text
        lines = "".join(f"\n  {line}" for line in tail(log))
        reasons = "".join(f"\n{line}" for line in self._console.explanations())
        return f"{text}; its log is {log}{lines}{reasons}"
