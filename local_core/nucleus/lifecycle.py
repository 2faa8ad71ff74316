"""The lifecycle of one component: installed, run, restarted after errors, broken, stopped.

The states and the rule of three errors are those of the classic nucleus:
https://github.com/aws-greengrass/aws-greengrass-nucleus/blob/main/src/main/java/com/aws/greengrass/lifecyclemanager/Lifecycle.java
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from ..processes.process_group import ProcessGroup

MAX_ERRORS = 3
"""After this many errors in the same step a component is broken."""
ERROR_RESET_SECONDS = 3600.0
"""After this long without an error, earlier errors no longer count."""
SHELL = ("/bin/sh", "-c")
_POLL_SECONDS = 0.1


class State(Enum):
    """What a component is doing."""

    NEW = "being installed"
    RUNNING = "running"
    ERRORED = "errored"
    BROKEN = "broken"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True)
class StateChange:
    """A component entered a state at the time ``at`` (``time.monotonic``)."""

    component: str
    state: State
    at: float
    reason: str = ""


@dataclass(frozen=True)
class Script:
    """One lifecycle step, ready for the shell. ``timeout`` is in seconds; None is unlimited."""

    step: str
    text: str
    environment: Mapping[str, str]
    timeout: float | None = None

    def within(self, environment: Mapping[str, str]) -> Script:
        """Return the script with ``environment`` below what it sets itself."""
        return replace(self, environment={**environment, **self.environment})


@dataclass(frozen=True)
class ComponentPlan:
    """Everything needed to run a component whose artifacts are in place."""

    component: str
    folder: Path
    log: Path
    install: Script | None
    run: Script | None

    def within(self, environment: Mapping[str, str]) -> ComponentPlan:
        """Return the plan with ``environment`` below what its scripts set themselves."""
        return replace(
            self,
            install=self.install and self.install.within(environment),
            run=self.run and self.run.within(environment),
        )


class ComponentLifecycle:
    """Runs one component on a thread of its own until it ends, breaks or is stopped.

    It begins once all of ``after``, the components that it depends on, run or have finished.
    ``runs_while_installing`` starts its run step beside its install step, as nucleus lite does when
    it starts itself; then only the run step decides what becomes of the component.
    """

    def __init__(
        self,
        plan: ComponentPlan,
        on_change: Callable[[StateChange], None],
        *,
        stop_grace: float,
        after: Sequence[ComponentLifecycle] = (),
        runs_while_installing: bool = False,
    ) -> None:
        self.up = threading.Event()
        """Set when the component first runs, or has finished without."""
        self.broken = False
        self._plan = plan
        self._on_change = on_change
        self._stop_grace = stop_grace
        self._after = after
        self._runs_while_installing = runs_while_installing
        self._stopping = False
        self._reported_error = False
        self._thread = threading.Thread(
            target=self._live, name=f"lifecycle-{plan.component}", daemon=True
        )

    def start(self) -> None:
        """Begin with the install step."""
        self._plan.folder.mkdir(parents=True, exist_ok=True)
        self._plan.log.parent.mkdir(parents=True, exist_ok=True)
        self._plan.log.touch()
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the component's processes to end; :meth:`join` waits for that."""
        self._stopping = True

    def join(self) -> None:
        """Wait until no process of the component runs any more."""
        self._thread.join()

    @property
    def has_ended(self) -> bool:
        """Whether the component is broken, or was stopped."""
        return self.broken or self._stopping

    def report_error(self) -> None:
        """Treat the running step as failed, because its component reported so by UpdateState."""
        self._reported_error = True

    def _live(self) -> None:
        for other in self._after:
            while not other.up.wait(_POLL_SECONDS):
                if self._stopping:
                    self._change(State.STOPPED)
                    return
        install, run = self._plan.install, self._plan.run
        if install is not None and run is not None and self._runs_while_installing:
            self._install_and_run(install, run)
            return
        for script, state in ((install, State.NEW), (run, State.RUNNING)):
            if script is not None and not self._carry_out(script, state):
                return
        self._change(State.FINISHED)

    def _install_and_run(self, install: Script, run: Script) -> None:
        name = f"lifecycle-{self._plan.component}-install"
        installing = threading.Thread(target=self._execute, args=(install,), name=name, daemon=True)
        installing.start()
        if self._carry_out(run, State.RUNNING):
            self._change(State.FINISHED)
        installing.join()

    def _carry_out(self, script: Script, state: State) -> bool:
        """Run ``script`` until it succeeds; False if the component broke or is being stopped."""
        errors: list[float] = []
        while True:
            self._change(state)
            reason = self._execute(script)
            if self._stopping:
                self._change(State.STOPPED)
                return False
            if not reason:
                return True
            now = time.monotonic()
            if errors and now - errors[-1] >= ERROR_RESET_SECONDS:
                errors.clear()
            errors.append(now)
            if len(errors) >= MAX_ERRORS:
                self.broken = True
                self._change(State.BROKEN, reason)
                return False
            self._change(State.ERRORED, reason)

    def _execute(self, script: Script) -> str:
        """Run ``script`` once; return why it failed, or nothing."""
        self._reported_error = False
        try:
            with self._plan.log.open("a") as log:
                log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {script.step} begins\n")
            process = ProcessGroup(
                [*SHELL, script.text],
                folder=self._plan.folder,
                environment=script.environment,
                log=self._plan.log,
            )
        except OSError as error:
            return f"{script.step} could not start: {error}"
        code = process.wait(self._unwanted, script.timeout)
        if code is None:
            process.stop(self._stop_grace)
        return self._verdict(script, code)

    def _unwanted(self) -> bool:
        return self._stopping or self._reported_error

    def _verdict(self, script: Script, code: int | None) -> str:
        if self._reported_error:  # whether it was stopped for that or ended by itself
            return f"{script.step} reported ERRORED"
        if code is not None:
            return f"{script.step} ended with exit code {code}" if code else ""
        return f"{script.step} did not end within {script.timeout:g} s" if script.timeout else ""

    def _change(self, state: State, reason: str = "") -> None:
        if state in (State.RUNNING, State.FINISHED):
            self.up.set()
        self._on_change(StateChange(self._plan.component, state, time.monotonic(), reason))
