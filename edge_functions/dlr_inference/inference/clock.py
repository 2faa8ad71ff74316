"""Lets waits end in time on older Pythons when the clock is set back.

Python 3.8, and 3.9 and 3.10 with an old C library or before their last releases, wait for a lock
until a wall-clock time. If the clock is hours ahead after a start, and is corrected during a wait,
that wait takes those hours longer.
https://github.com/python/cpython/issues/85876
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time

_WAKE = signal.SIGURG
"""A signal that nothing else sends, and that a process without a handler ignores."""
_LOOK_SECONDS = 1.0
_JUMP_SECONDS = 0.5

_log = logging.getLogger(__name__)


def watch_clock() -> None:
    """Start the thread that lets waits end in time; works on the process's main thread only."""
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
        time.sleep(_LOOK_SECONDS)  # which is monotonic in every Python
        now = time.time() - time.monotonic()
        if now < before - _JUMP_SECONDS:
            _log.info("the clock was set back by %.0f s", before - now)
            _interrupt_waits()
        before = now


def _interrupt_waits() -> None:
    """Interrupt each waiting thread, which then looks at how much time is left.

    Threads of libraries do not wait in Python, and may have ended.
    """
    for thread in threading.enumerate():
        if thread.is_alive() and not isinstance(thread, threading._DummyThread):
            signal.pthread_kill(thread.ident or 0, _WAKE)
