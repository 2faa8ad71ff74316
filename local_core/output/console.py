"""What a core does, as lines for its user."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..device.generation import Generation
from ..device.setup import CoreConfiguration
from ..nucleus.dialect import CLASSIC, Nucleus
from ..nucleus.lifecycle import State, StateChange
from . import installation
from .explaining import line_of
from .progress import Progress, tail

REMINDER_SECONDS = 10.0
INSTALL_REMINDER_SECONDS = 5.0
_SUCCESS = ("SUCCEEDED", "Success")


@dataclass(frozen=True)
class Verdict:
    """How a deployment went on the core, in its generation's words."""

    status: str
    reason: str

    @property
    def is_success(self) -> bool:
        """Whether the core runs what was deployed."""
        return self.status in _SUCCESS

    def __str__(self) -> str:
        return f"the deployment: {self.status}{_because(self.reason)}"


class CoreConsole:
    """A context in which a device's core runs and its events wait to be taken.

    ``nucleus`` is for a core of generation 2.
    """

    def __init__(
        self,
        generation: Generation,
        configuration: CoreConfiguration,
        *,
        endpoint: str,
        progress: Progress,
        nucleus: Nucleus = CLASSIC,
    ) -> None:
        self.generation = generation
        self.configuration = configuration
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.device = generation.device(
            configuration,
            endpoint=endpoint,
            on_change=self.events.put,
            on_verdict=lambda status, reason: self.events.put(Verdict(status, reason)),
            nucleus=nucleus,
        )
        self.is_settled = False
        """Whether nothing is being deployed or started."""
        self.since = self._reminded = time.monotonic()
        """When the last event was taken that says so, or the console was made."""
        self._progress = progress
        self._installing: tuple[str, float] | None = None
        """The component that is being installed, and since when, by ``time.time``."""

    def __enter__(self) -> Self:
        self.device.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.device.__exit__(None, None, None)

    def next_event(self, seconds: float) -> Any:
        """Return the next event, or None if there is none in time."""
        try:
            return self.events.get(timeout=seconds)
        except queue.Empty:
            return None

    def take(self, event: StateChange | Verdict) -> str:
        """Note a change, and return the line that describes it."""
        if isinstance(event, Verdict):
            self.restart_clock(time.monotonic())
            self.is_settled = True
            return str(event)
        self.restart_clock(event.at)
        self.is_settled = event.state is State.RUNNING
        is_new = event.state is State.NEW
        self._installing = (event.component, time.time()) if is_new else None
        return f"{event.component} is {event.state.value}{_because(event.reason)}"

    def restart_clock(self, at: float) -> None:
        """Count the time until the next event, and to the next reminder, from ``at``."""
        self.since = self._reminded = at

    def remind(self, otherwise: str) -> None:
        """Show every few seconds of a wait how far an installation is, or else the log's last line.

        Without a log, ``otherwise`` is shown.
        """
        now = time.monotonic()
        pause = REMINDER_SECONDS if self._installing is None else INSTALL_REMINDER_SECONDS
        if self.is_settled or now - self._reminded < pause:
            return
        self._reminded = now
        if self._installing is not None:
            component, since = self._installing
            done = installation.progress(self.configuration.root / "work" / component, since)
            self._progress.say(f"… {now - self.since:.0f} s so far: install: {done}")
            return
        lines = [line for log in self.logs() for line in tail(log, 1)]
        last = lines[-1] if lines else otherwise
        self._progress.say(f"… {now - self.since:.0f} s so far: {last}")

    def logs(self) -> list[Path]:
        """Return the logs of what is deployed, as far as they exist."""
        found = [self.device.log_of(part) for part in self.device.parts]
        return [log for log in found if log is not None and log.exists()]

    def explanations(self, part: str | None = None) -> list[str]:
        """Return the last lines of the logs that explain a failure, of ``part`` or of all.

        The nucleus knows only that a script failed; the component itself has logged why.
        """
        explained = []
        for one in self.device.parts if part is None else (part,):
            log = self.device.log_of(one)
            if log is not None and log.exists() and (line := line_of(log)):
                explained.append(f"{self.generation.short_name(one)} said: {line}")
        return explained


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
