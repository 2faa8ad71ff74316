"""Keeps ``run`` from starting with what a concurrent ``install`` has not finished.

Nucleus lite starts both at the same time. While ``install`` works, it holds an exclusive lock on a
file in the work folder, which the system releases however the process ends. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from pathlib import Path
from typing import IO, Callable, Iterator

from ..errors import DeviceError

LOCK_FILE = "install.lock"

WAIT_SECONDS = 30 * 60.0
"""As long as a nucleus lets ``install`` take."""

GRACE_SECONDS = 60.0
"""For ``install`` to begin, or to begin again after a failure."""

_LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def installing(work: Path) -> Iterator[None]:
    """Hold the lock of ``work``; wait while another process holds it.

    Raises:
        OSError: if the folder or the file cannot be created.
    """
    with _lock_file(work) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file(work: Path) -> IO[bytes]:
    """Open the file, and create it only if it is missing: a disk that hangs delays that.

    Linux makes a disk read-only after a fault. What is on it may be all that ``run`` needs.
    """
    path = work / LOCK_FILE
    try:
        return path.open("r+b")
    except FileNotFoundError:
        work.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError:
        return path.open("rb")


def is_installing(work: Path) -> bool:
    """Tell whether ``install`` is at work in ``work``."""
    try:
        file = os.open(str(work / LOCK_FILE), os.O_RDONLY)
    except OSError:
        return False  # no install ever began here
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(file)
    return False


def wait_for_install(work: Path, is_ready: Callable[[], bool]) -> None:
    """Return when no ``install`` is at work and ``is_ready`` returns true; say once that it waits.

    Raises:
        DeviceError: if that takes longer than an ``install`` may take, or if no ``install`` is at
            work for a while.
    """
    began = last_seen = time.monotonic()
    is_said = False
    while True:
        is_busy = is_installing(work)
        if not is_busy and is_ready():
            return
        now = time.monotonic()
        if is_busy:
            last_seen = now
        if now - began > WAIT_SECONDS or now - last_seen > GRACE_SECONDS:
            state = "install still runs" if is_busy else "no install is running"
            raise DeviceError(
                f"the Python environment in {work} is not complete after {now - began:.0f} s, and "
                f"{state}: see the log of install above, then deploy again or restart the nucleus"
            )
        if not is_said:
            _log.info("run waits until install has finished in %s", work)
            is_said = True
        time.sleep(_LOOK_SECONDS)
