"""One function on the core: its process is restarted when it ends, until the core stops."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..processes.process_group import ProcessGroup
from .group import GroupFunction
from .invocations import InvocationQueue
from .logs import CoreLog

RUNTIME_FOLDER = Path(__file__).parent / "runtime"
"""What a function's process must have on its module path."""
RUNTIME_MODULE = "greengrass_ipc_python_sdk.function_runtime"


@dataclass(frozen=True)
class Pacing:
    """How a function that ended is restarted: after a pause that doubles each time.

    After a run of ``reset_seconds`` the first pause applies again.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    reset_seconds: float = 60.0
    stop_grace_seconds: float = 10.0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after this many ends in a row, at least one."""
        return float(min(self.longest_seconds, self.first_seconds * 2 ** min(failures - 1, 32)))


class FunctionProcess:
    """Runs a function in a process of its own, on a thread that restarts it.

    ``environment`` returns what the next process finds in its environment, a new token included.
    """

    def __init__(
        self,
        function: GroupFunction,
        *,
        code: Path,
        environment: Callable[[], Mapping[str, str]],
        output: Path,
        log: CoreLog,
        pacing: Pacing,
        python: Path | None = None,
    ) -> None:
        self.inbox = InvocationQueue()
        self.output = output
        self._function = function
        self._code = code
        self._environment = environment
        self._log = log
        self._pacing = pacing
        self._python = python or Path(sys.executable)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="v1-function", daemon=True)

    def start(self) -> None:
        """Start it; :meth:`request_stop` and :meth:`join` end it."""
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the process to end; :meth:`join` waits for that."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until no process of the function runs any more."""
        if self._thread.ident is not None:
            self._thread.join()

    def _live(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            ending = self._run()
            if self._stopping.is_set():
                break
            lasted = time.monotonic() - began
            failures = 1 if lasted >= self._pacing.reset_seconds else failures + 1
            pause = self._pacing.pause(failures)
            self._log.warn(f"function {self._function.arn} {ending}; restarting in {pause:g} s")
            self._stopping.wait(pause)
        self._log.info(f"function {self._function.arn} stopped")

    def _run(self) -> str:
        """Run one process to its end; return how it ended."""
        command = [str(self._python), "-m", RUNTIME_MODULE, self._function.handler]
        try:
            process = ProcessGroup(
                command, folder=self._code, environment=self._environment(), log=self.output
            )
        except OSError as error:
            return f"could not start: {error}"
        self._log.info(f"function {self._function.arn} runs as process {process.pid}")
        code = process.wait(self._stopping.is_set)
        if code is None:
            process.stop(self._pacing.stop_grace_seconds)
            return "was stopped"
        self.inbox.renew()
        return f"ended with exit code {code}"
