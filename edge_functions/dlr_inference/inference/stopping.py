"""SIGTERM in both generations: an ordered stop if possible, an end in time in any case."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Callable, NoReturn

DRAIN_SECONDS = 3.0
"""From the signal until sending stops. The classic nucleus kills a process 5 s after SIGTERM."""

LIMIT_SECONDS = 4.5
"""From the signal to the end of a process in which something hangs."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


class StopSignal:
    """Waits for SIGTERM or SIGINT on its own thread, which a long C call does not delay.

    While there is nothing to stop, the signal ends the process at once, with status 0.
    """

    def __init__(self) -> None:
        """Start to listen, which works on the main thread of the process only."""
        self.received = threading.Event()
        self._at = 0.0
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._keep: Callable[[], None] = _nothing
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            # A handler would run between any two steps of the main thread, even with locks held.
            for number in _SIGNALS:
                signal.signal(number, lambda *_: None)
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        except ValueError:
            _log.warning("this is not the main thread: a signal will end the process at once")
            os.close(reader)
            os.close(writer)
            return
        threading.Thread(target=self._wait, args=(reader,), name="stop", daemon=True).start()

    def call(self, stop: Callable[[], None], keep: Callable[[], None] | None = None) -> None:
        """Call ``stop`` on the signal from now on, and ``keep`` if that does not end the process.

        ``stop`` must return at once. ``keep`` saves what it can, quickly, while all else hangs.
        """
        with self._lock:
            self._stop, self._keep = stop, keep or _nothing

    def forget(self) -> None:
        """Let the signal end the process at once again, because nothing is left to stop."""
        with self._lock:
            self._stop = None
        if self.received.is_set():
            _end(0)

    def deadline(self) -> float:
        """Return the ``time.monotonic`` at which draining must be over, at least a second away."""
        now = time.monotonic()
        began = self._at if self.received.is_set() else now
        return max(began + DRAIN_SECONDS, now + 1.0)

    def _wait(self, reader: int) -> None:
        number = 0
        while number not in _SIGNALS:
            number = os.read(reader, 1)[0]
        with self._lock:
            self._at = time.monotonic()
            self.received.set()
            stop, keep = self._stop, self._keep
        _log.info("stopping on %s", signal.Signals(number).name)
        if stop is None:
            _end(0)
        else:
            stop()
        time.sleep(LIMIT_SECONDS)
        _log.error("something hangs: ending the process after %g s", LIMIT_SECONDS)
        try:
            keep()
        finally:
            _end(1)


def _nothing() -> None:
    return


def _end(status: int) -> None:
    logging.shutdown()
    os._exit(status)


def end_process(status: int) -> NoReturn:
    """End with ``status``, at once if a camera's thread is still busy in FFmpeg.

    Python ends a thread that returns to it during its own end, which C++ does not survive.
    """
    if any(thread.name.startswith("capture ") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        _end(status)
    sys.exit(status)
