"""Waits that end in time although the clock is set back, for which older Pythons need help.

Python 3.8, and 3.9 and 3.10 with an old C library or before their last releases, wait for a lock
until a date. If the clock was ahead after a start, and is corrected during a wait, that date is as
far away again as the clock was ahead: hours, in which a camera would be dark.
https://github.com/python/cpython/issues/85876
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time

_WAKE = signal.SIGURG
"""A signal that nobody sends, and that harms a process without a handler in no way."""
_LOOK_SECONDS = 1.0
_JUMP_SECONDS = 0.5

_log = logging.getLogger(__name__)


def watch_clock() -> None:
    """Let waits end in time from now on, by a thread. Call it on the main thread of the process."""
    if sys.version_info >= (3, 11):
        return
    try:
        signal.signal(_WAKE, lambda *_: None)
    except ValueError:  # not the main thread
        return
    threading.Thread(target=_watch, name="clock", daemon=True).start()


def _watch() -> None:
    before = time.time() - time.monotonic()
    while True:
        time.sleep(_LOOK_SECONDS)  # for which no Python looks at the date
        now = time.time() - time.monotonic()
        if now < before - _JUMP_SECONDS:
            _log.info("the clock was set back by %.0f s", before - now)
            _interrupt_waits()
        before = now


def _interrupt_waits() -> None:
    """Let each thread that waits see how long it still has to, which it does when interrupted.

    Threads of libraries do not wait in Python, and may have ended.
    """
    for thread in threading.enumerate():
        if thread.is_alive() and not isinstance(thread, threading._DummyThread):
            signal.pthread_kill(thread.ident or 0, _WAKE)
