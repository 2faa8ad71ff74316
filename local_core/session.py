"""One core's run: set up from its stack's outputs, started, and its predictions awaited."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .device.setup import (
    read_v1_configuration,
    read_v2_configuration,
    write_v1_configuration,
    write_v2_configuration,
)
from .device.v1.core import V1Device
from .device.v2.core import V2Device
from .device.watcher import Received
from .errors import LocalCoreError
from .interrupts import Interrupts
from .nucleus.lifecycle import State, StateChange
from .progress import Progress, describe, tail

PREDICTION_SECONDS = 60.0
"""How long a core that runs may take to its next prediction."""
_REMINDER_SECONDS = 10.0
_POLL_SECONDS = 0.1


class RunError(LocalCoreError):
    """The core did not do what it should; the message says what, and where its log is."""


@dataclass(frozen=True)
class Verdict:
    """How a deployment went on the core, in its generation's words."""

    status: str
    reason: str


Event = Received | StateChange | Verdict


class Session:
    """A context in which one core runs; leaving it stops the core.

    ``outputs`` are those of its deployed stack. Hand it each message by :meth:`receive`.
    """

    def __init__(
        self,
        *,
        root: Path,
        generation: int,
        outputs: Mapping[str, str],
        endpoint: str,
        progress: Progress,
        interrupts: Interrupts,
    ) -> None:
        self._generation = generation
        self._prediction_topic = outputs["PredictionTopic"]
        self._progress = progress
        self._interrupts = interrupts
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._log: Callable[[], Path | None] = lambda: None
        self._running = False
        self._since = self._reminded = time.monotonic()
        self.predictions: list[float] = []
        """When each prediction arrived, by ``time.monotonic``."""
        self._device = self._set_up(root, outputs["GreengrassConfig"], endpoint)

    def __enter__(self) -> Session:
        self._device.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._device.__exit__(None, None, None)

    def receive(self, message: Received) -> None:
        """Take a message, from any thread."""
        self._events.put(message)

    def await_predictions(self, frames: int) -> None:
        """Show what happens until ``frames`` predictions have arrived.

        Raises:
            RunError: if the core fails, or predicts nothing for too long.
            Interrupted: if the user asked to stop.
        """
        while len(self.predictions) < frames:
            self._interrupts.check()
            self._check_patience(time.monotonic())
            self._next_event()

    def follow(self) -> None:
        """Show what has happened since the last time, of many predictions the last one.

        A failed deployment is shown as well: a core goes on with the one before.
        """
        last: Received | None = None
        while not self._events.empty():
            event = self._events.get()
            if isinstance(event, Received):
                last = event if event.topic == self._prediction_topic else last
                continue
            try:
                self._handle(event)
            except RunError as error:
                self._progress.say(str(error))
        if last is not None:
            self._show(last)

    def show_waiting(self) -> None:
        """Show what has happened meanwhile, and return."""
        while not self._events.empty():
            self._next_event()

    def _set_up(self, root: Path, config: str, endpoint: str) -> AbstractContextManager[object]:
        def on_verdict(status: str, reason: str) -> None:
            self._events.put(Verdict(status, reason))

        if self._generation == 1:
            file = write_v1_configuration(config, root)
            v1 = V1Device(read_v1_configuration(file), endpoint=endpoint, on_verdict=on_verdict)
            self._log = lambda: v1.log_of(v1.functions[0]) if v1.functions else None
            device: AbstractContextManager[object] = v1
        else:
            file = write_v2_configuration(config, root)
            v2 = V2Device(
                read_v2_configuration(file),
                endpoint=endpoint,
                on_change=self._events.put,
                on_verdict=on_verdict,
            )
            self._log = lambda: v2.log_of(v2.components[0]) if v2.components else None
            device = v2
        self._progress.say(f"set up the core from GreengrassConfig: {file}")
        return device

    def _next_event(self) -> None:
        try:
            event = self._events.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return
        self._handle(event)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Verdict):
            self._judge(event)
        elif isinstance(event, StateChange):
            self._follow(event)
        else:
            self._show(event)

    def _show(self, message: Received) -> None:
        is_prediction = message.topic == self._prediction_topic
        if is_prediction:
            self.predictions.append(message.at)
            self._progress.say(f"{message.topic}: {describe(message.payload)}")
            self._progress.detail(message.payload.decode(errors="replace"))
        else:
            self._progress.count(message.topic)

    def _follow(self, change: StateChange) -> None:
        self._running = change.state == State.RUNNING
        self._since = self._reminded = change.at
        why = f": {change.reason}" if change.reason else ""
        self._progress.say(f"{change.component} is {change.state.value}{why}")
        if change.state == State.FINISHED:
            raise RunError(self._with_log(f"{change.component} has ended"))

    def _judge(self, verdict: Verdict) -> None:
        ended_well = verdict.status in ("SUCCEEDED", "Success")
        self._running = self._running or ended_well
        self._since = self._reminded = time.monotonic()
        reason = f": {verdict.reason}" if verdict.reason else ""
        text = f"the core's deployment: {verdict.status}{reason}"
        if not ended_well:
            raise RunError(self._with_log(text))
        self._progress.say(text)

    def _check_patience(self, now: float) -> None:
        if self._running:
            last_sign = max([self._since, *self.predictions[-1:]])
            if now - last_sign > PREDICTION_SECONDS:
                raise RunError(self._with_log(f"no prediction within {PREDICTION_SECONDS:g} s"))
        elif now - self._reminded > _REMINDER_SECONDS:
            self._reminded = now
            log = self._log()
            last_line = "".join(tail(log, 1)) if log else "waiting for the deployment"
            self._progress.say(f"… {now - self._since:.0f} s so far: {last_line}")

    def _with_log(self, text: str) -> str:
        log = self._log()
        if log is None:
            return text
        lines = "".join(f"\n  {line}" for line in tail(log))
        return f"{text}; its log is {log}{lines}"
