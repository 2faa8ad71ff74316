"""Ends process groups, and removes folders, whose owner was killed before it could do so itself.

A small separate process holds the other end of a pipe. The pipe closes when the owner ends for
any reason, SIGKILL included; groups that are still registered are then killed, and folders removed.
PR_SET_PDEATHSIG would reach only the first process of a group, and only while the thread that
started it runs.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

_PROGRAM = """
import os, shutil, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
groups, folders = set(), set()
for line in sys.stdin:
    sign, what, one = line.split()
    known = groups if what == "group" else folders
    (known.add if sign == "+" else known.discard)(one)
for group in groups:
    try:
        os.killpg(int(group), signal.SIGKILL)
    except OSError:
        pass
for folder in folders:
    shutil.rmtree(bytes.fromhex(folder), ignore_errors=True)
"""


class GroupWatchdog:
    """Kills the groups that were added and not removed when this process ends; so with folders."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: IO[str] | None = None

    def start(self) -> None:
        """Start the watchdog's process, unless it runs: before a group does, so none is missed."""
        with self._lock:
            if self._pipe is None:
                self._pipe = self._start()

    def add(self, group: int) -> None:
        """Watch over a process group."""
        self.start()
        with self._lock:
            self._say(f"+ group {group}")

    def remove(self, group: int) -> None:
        """Forget a group that has ended."""
        with self._lock:
            self._say(f"- group {group}")

    def add_folder(self, folder: Path) -> None:
        """Watch over a temporary folder."""
        self.start()
        with self._lock:
            self._say(f"+ folder {os.fsencode(folder).hex()}")

    def remove_folder(self, folder: Path) -> None:
        """Forget a folder that was removed."""
        with self._lock:
            self._say(f"- folder {os.fsencode(folder).hex()}")

    def _say(self, line: str) -> None:
        if self._pipe is not None:
            with contextlib.suppress(OSError):  # the watchdog is gone
                self._pipe.write(line + "\n")
                self._pipe.flush()

    @staticmethod
    def _start() -> IO[str] | None:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return process.stdin


WATCHDOG = GroupWatchdog()
"""The one of this process."""
