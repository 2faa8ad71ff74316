"""A command in a session of its own, so that everything it starts can be stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from .watchdog import WATCHDOG

_POLL_SECONDS = 0.03
_AFTER_KILL_SECONDS = 2.0
"""How long to wait for a killed process, which ends as soon as the kernel lets it."""


class ProcessGroup:
    """A command and everything that it starts, all of which :meth:`stop` ends.

    What it prints is appended to ``log``; without one it is read from :attr:`output`. If this
    process is killed first, its watchdog ends the group.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path | None = None,
    ) -> None:
        WATCHDOG.start()
        with log.open("ab") if log else contextlib.nullcontext(subprocess.PIPE) as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        WATCHDOG.add(self.pid)

    @property
    def output(self) -> IO[str]:
        """What a command without a log prints."""
        assert self._process.stdout is not None, "its output goes to a log"
        return self._process.stdout

    @property
    def pid(self) -> int:
        """The number of the process, and of its group."""
        return self._process.pid

    def wait(self, unwanted: Callable[[], bool], timeout: float | None = None) -> int | None:
        """Return the exit code, or None if ``timeout`` seconds pass or it is ``unwanted`` first.

        Processes that an ended command left running are stopped.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self._process.poll()) is None:
            if unwanted() or (end is not None and time.monotonic() >= end):
                return None
            time.sleep(_POLL_SECONDS)
        self._kill()
        return code

    def stop(self, grace: float) -> None:
        """Ask the group to end, and kill what still runs ``grace`` seconds later."""
        self._signal(signal.SIGTERM)
        self._await_end(grace)
        self._kill()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._await_end(_AFTER_KILL_SECONDS)
        WATCHDOG.remove(self.pid)

    def _await_end(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._lives() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)

    def _lives(self) -> bool:
        return self._process.poll() is None or _group_lives(self.pid)

    def _signal(self, number: int) -> None:
        """Signal the group if it still runs; its number may later belong to another group."""
        if self._lives():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def _group_lives(group: int) -> bool:
    """Return whether a process of ``group`` runs; a zombie may wait long for its new parent."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = entry.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # It ended meanwhile.
        if int(its_group) == group and state not in "ZX":
            return True
    return False
