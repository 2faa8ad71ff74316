"""One core's run: its deployment carried out, and its predictions awaited."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from pathlib import Path

from .assembly import Assembly, AssemblyFetcher
from .interrupts import Interrupts
from .ipc.router import InMemoryCloud
from .nucleus.core import CoreIdentity, LocalCore
from .nucleus.lifecycle import State, StateChange
from .progress import Progress, describe, tail

PREDICTION_SECONDS = 60.0
"""How long a component that runs may take to its next prediction."""
_REMINDER_SECONDS = 10.0
_POLL_SECONDS = 0.1


class RunError(Exception):
    """The component did not do what it should; the message says what, and where its log is."""


@dataclass(frozen=True)
class Outcome:
    """When a component did what, by ``time.monotonic``."""

    install_began: float
    run_began: float
    predictions: tuple[float, ...]


@dataclass(frozen=True)
class _Received:
    at: float
    topic: str
    payload: bytes


class Session:
    """Runs the deployment of one assembly until it has made enough predictions."""

    def __init__(
        self, *, root: Path, prediction_topic: str, progress: Progress, interrupts: Interrupts
    ) -> None:
        self._root = root
        self._prediction_topic = prediction_topic
        self._progress = progress
        self._interrupts = interrupts
        self._events: queue.SimpleQueue[_Received | StateChange] = queue.SimpleQueue()
        self._entered: dict[State, float] = {}
        self._predictions: list[float] = []
        self._log = root
        self._state: State | None = None
        self._since = self._reminded = time.monotonic()

    def run(self, assembly: Assembly, frames: int) -> Outcome:
        """Deploy, print each message, stop the core after ``frames`` predictions.

        Raises:
            RunError: if the component breaks, ends early, or predicts nothing for too long.
            Interrupted: if the user asked to stop.
        """
        cloud = InMemoryCloud()
        cloud.subscribe_to_cloud("#", 1, self._receive)
        identity = CoreIdentity(assembly.deployment().thing_name, self._root)
        components = assembly.deployed_components()
        with LocalCore(
            identity,
            fetcher=AssemblyFetcher(assembly.assets),
            cloud=cloud,
            on_change=self._events.put,
        ) as core:
            core.deploy(components)
            for component in components:
                self._log = core.log_of(component.recipe.name)
            while len(self._predictions) < frames:
                self._interrupts.check()
                self._next_event()
            self._progress.say("stopping the core")
        run_began = self._entered[State.RUNNING]
        return Outcome(self._entered.get(State.NEW, run_began), run_began, tuple(self._predictions))

    def _receive(self, topic: str, payload: bytes) -> None:
        self._events.put(_Received(time.monotonic(), topic, payload))

    def _next_event(self) -> None:
        self._check_patience(time.monotonic())
        try:
            event = self._events.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return
        if isinstance(event, StateChange):
            self._follow(event)
            return
        self._progress.say(f"{event.topic}: {describe(event.payload)}")
        self._progress.detail(event.payload.decode(errors="replace"))
        if event.topic == self._prediction_topic:
            self._predictions.append(event.at)

    def _follow(self, change: StateChange) -> None:
        self._state = change.state
        self._since = self._reminded = change.at
        self._entered.setdefault(change.state, change.at)
        why = f": {change.reason}" if change.reason else ""
        text = f"{change.component} is {change.state.value}{why}"
        if change.state in (State.BROKEN, State.FINISHED):
            raise RunError(self._with_log(text))
        self._progress.say(text)

    def _check_patience(self, now: float) -> None:
        if self._state == State.RUNNING:
            last_sign = max([self._since, *self._predictions[-1:]])
            if now - last_sign > PREDICTION_SECONDS:
                raise RunError(self._with_log(f"no prediction within {PREDICTION_SECONDS:g} s"))
        elif now - self._reminded > _REMINDER_SECONDS:
            self._reminded = now
            last_line = "".join(tail(self._log, 1))
            self._progress.say(f"… {now - self._since:.0f} s so far: {last_line}")

    def _with_log(self, text: str) -> str:
        lines = "".join(f"\n  {line}" for line in tail(self._log))
        return f"{text}; its log is {self._log}{lines}"
