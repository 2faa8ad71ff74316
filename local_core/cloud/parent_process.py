"""The local cloud's connection to its parent process, and its end when the parent is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

_GRACE_SECONDS = 5.0

Orders = asyncio.Queue[dict[str, Any] | None]


class ParentProcess:
    """Reads the parent's orders, and ends this process when the parent is gone.

    The parent holds the other end of our input, which closes when the parent ends for any reason.
    PR_SET_PDEATHSIG does not suffice: it follows the thread that started us, not the process.
    """

    def __init__(self) -> None:
        # Other output of this process goes to the log, not between the replies.
        self._replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._orders: Orders = asyncio.Queue()

    def listen(self) -> Orders:
        """Start reading orders; the last one is None. Call this once, inside the event loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._orders.put_nowait, None)
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        return self._orders

    def say(self, reply: Mapping[str, Any]) -> None:
        """Write one reply; without a parent it is dropped."""
        with contextlib.suppress(BrokenPipeError):
            self._replies.write(json.dumps(reply) + "\n")
            self._replies.flush()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(self._orders.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(self._orders.put_nowait, None)
        time.sleep(_GRACE_SECONDS)  # the event loop hangs: nothing else will end this process
        self.end_group(1)

    def end_group(self, code: int) -> None:
        """End this process and all of its group: Lambda functions may still be running."""
        if os.getpgid(0) == os.getpid():
            with contextlib.suppress(ValueError):  # not the main thread: it ends us too
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)
        os._exit(code)
