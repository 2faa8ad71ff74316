"""Uploads samples from the spool on a thread of its own, and publishes messages about each."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Sequence

from ..outgoing.outbox import Send
from .attempts import Moved, UploadAttempts
from .pauses import Pauses
from .puts import PutObject, Puts
from .refusals import SECONDS, Refusals
from .samples import DamagedSampleError
from .spool import Spool

_log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


class Uploader:
    """Processes a spool, the oldest sample first, until everything is done for each.

    A bucket that fails is not tried again for a while; the others continue. An object that a bucket
    refuses lets the next one try; if others are accepted but it never is, it ends as a failure.
    A bucket that is slow delays its own samples only.
    """

    def __init__(
        self,
        spool: Spool,
        put_object: PutObject,
        send: Send,
        *,
        on_finished: Callable[[str], None] = lambda request_id: None,
        moved: Moved = lambda request: None,
        first_wait: float = 0.5,
        longest_wait: float = 8.0,
        refused_seconds: float = SECONDS,
    ) -> None:
        """Start the thread. ``on_finished`` is called with the id of each finished request.

        An object that its bucket refuses is tried for at least ``refused_seconds``, or where
        ``moved`` sends it instead.
        """
        self._spool = spool
        self._on_finished = on_finished
        self._puts = Puts(put_object, self.wake)
        self._pauses = Pauses(first_wait, longest_wait)
        self._refusals = Refusals(refused_seconds)
        self._attempts = UploadAttempts(
            spool,
            self._puts,
            send,
            self._pauses,
            self._refusals,
            on_finished=on_finished,
            moved=moved,
        )
        self.counters = self._attempts.counters
        self._blocked_by: dict[str, frozenset[str]] = {}
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._stopping = threading.Event()
        spool.watch(self.wake)
        self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)
        self._thread.start()

    @property
    def faults(self) -> dict[str, str]:
        """Why a bucket fails at present, or under ``BROKER`` why the messages after uploads do."""
        return self._attempts.faults()

    def wake(self) -> None:
        """Note that the spool has a sample that is ready, or that a slow bucket has answered."""
        self._wake.set()

    def close(self, seconds: float) -> int:
        """Continue for at most ``seconds`` while uploads work; return how many samples are left."""
        deadline = time.monotonic() + seconds
        self._closing.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        self._wake.set()
        self._thread.join(0.5)
        return len(self._spool)

    def _run(self) -> None:
        last_try = False
        while not self._stopping.is_set():
            self._wake.clear()
            if self._closing.is_set() and not last_try:
                last_try = True
                self._pauses.end_all()
            if self._process_all() or self._stopping.is_set():
                continue
            is_idle = not self._puts.is_busy()
            if self._closing.is_set() and is_idle and (self._blocked_by or not len(self._spool)):
                return
            has_samples = len(self._spool) > 0
            self._wake.wait(self._pauses.shortest(_POLL_SECONDS) if has_samples else _POLL_SECONDS)

    def _process_all(self) -> bool:
        """Try each waiting sample once; return whether any was finished."""
        progress = False
        names = self._spool.names()
        for name in self._blocked_by.keys() - names:  # they made room for others
            self._forget(name)
        for name in sorted(names, key=self._refusals.tries):
            if self._stopping.is_set():
                return progress
            if not self._spool.is_ready(name):
                continue  # the spool wakes this thread, or the next look finds it
            resources = self._blocked_by.get(name)
            if resources and all(self._attempts.is_blocked(resource) for resource in resources):
                continue  # without reading it from disk again
            try:
                sample = self._spool.read(name)
            except DamagedSampleError as error:
                _log.error("sample %s is damaged and left out: %s", name, error)
                self._spool.counters.damaged += 1
                for request_id in self._forget(name):
                    self._on_finished(request_id)
                continue
            except OSError as error:
                self._leave_for_later(name, error)
                continue
            blocked_by = self._attempts.finish(sample)
            if blocked_by:
                self._blocked_by[name] = blocked_by
                continue
            self._forget(name)
            progress = True
        return progress

    def _leave_for_later(self, name: str, error: OSError) -> None:
        """Skip a file that cannot be read at present, so that it does not delay others."""
        resource = f"file {name}"
        if resource not in self._blocked_by.get(name, ()):
            _log.warning("sample %s cannot be read now: %s", name, error)
        self._pauses.wait_longest(resource)
        self._blocked_by[name] = frozenset((resource,))

    def _forget(self, name: str) -> Sequence[str]:
        """Remove a sample; return the ids of its requests."""
        self._attempts.forget(name)
        self._blocked_by.pop(name, None)
        self._pauses.worked(f"file {name}")
        return self._spool.remove(name)
