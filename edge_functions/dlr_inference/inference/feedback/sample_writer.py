"""Writes new samples to disk on a thread of its own, and watches whether the disk accepts them."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable, Mapping

from ..hanging import hang_fault
from .sample_files import SampleFiles
from .samples import Sample

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
"""How often a disk that failed is tried again."""
_PATIENCE_SECONDS = 1.0
"""A sample waits this long for the disk before it may be uploaded from memory."""
_BATCH_BYTES = 4 << 20
"""Samples up to this size in total, or a larger one, are written together."""
_CLOSE_SECONDS = 2.0
"""How long the end waits for a disk that hangs."""


@dataclass
class SpoolCounters:
    """What became of the samples: ``kept`` safely on disk, ``dropped`` to make room, ``damaged``
    when read again."""

    kept: int = 0
    dropped: int = 0
    damaged: int = 0


class SampleWriter:
    """The samples in memory: each leaves it when its file would survive a power cut.

    The thread also removes files, because the disk may hang at that too. ``lock`` is that of the
    spool, so that a sample is in the spool and in memory at the same moment. It is never held while
    the disk works.
    """

    def __init__(self, files: SampleFiles, lock: threading.RLock, counters: SpoolCounters) -> None:
        """Start the thread. It counts each sample that is safe in ``counters.kept``."""
        self._files = files
        self._lock = lock
        self._changed = threading.Condition(lock)
        self._counters = counters
        self._memory: dict[str, Sample] = {}
        self._to_unlink: list[str] = []
        self._error: str | None = None
        self._next_look = 0.0
        self._wanted = self._started = self._ended = 0
        """Rounds of writing by number: the last that ``sync`` wants, that began, and that ended."""
        self._writing_since: float | None = None
        self._closing = False
        self._on_ready: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """Why the disk accepts no samples at present, or None."""
        return hang_fault(self._writing_since) if self._error is None else self._error

    @property
    def is_slow(self) -> bool:
        """Whether the disk rejects samples, or takes too long for those that it is writing."""
        since = self._writing_since
        if self._error is not None:
            return True
        return since is not None and time.monotonic() - since > _PATIENCE_SECONDS

    def watch(self, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` from now on, from the thread, when samples are safe or rejected."""
        self._on_ready = on_ready

    def sizes(self) -> Mapping[str, int]:
        """Return the names of the samples in memory, and their bytes there."""
        with self._lock:
            return {name: sample.size for name, sample in self._memory.items()}

    def find(self, name: str) -> Sample | None:
        """Return a sample if it is in memory."""
        with self._lock:
            return self._memory.get(name)

    def add(self, sample: Sample) -> None:
        """Keep a sample in memory, and write it soon."""
        with self._changed:
            self._memory[sample.name] = sample
            self._changed.notify_all()

    def forget(self, name: str) -> bool:
        """Keep a sample in memory no longer; return whether it was there."""
        with self._lock:
            return self._memory.pop(name, None) is not None

    def unlink(self, name: str) -> None:
        """Remove a sample's file soon."""
        with self._changed:
            self._to_unlink.append(name)
            self._changed.notify_all()

    def sync(self, seconds: float) -> bool:
        """Try to write what is in memory, for at most ``seconds``; return whether all is done."""
        with self._changed:
            self._wanted = wanted = self._started + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended >= wanted, seconds)
            return not self._memory

    def close(self) -> list[Sample]:
        """Write what is in memory, and end the thread; return what could not be written."""
        if self._thread.is_alive():
            self.sync(_CLOSE_SECONDS)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            return [self._memory[name] for name in sorted(self._memory)]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._is_due, _LOOK_SECONDS)
                if self._closing:
                    return
                if not self._is_due():
                    continue
                self._started += 1
                self._writing_since = time.monotonic()
            try:
                self._write_all()
            except OSError as error:
                self._rejected(error)
            else:
                self._accepted()
            with self._changed:
                self._writing_since = None
                self._ended = self._started
                self._changed.notify_all()
            self._on_ready()

    def _is_due(self) -> bool:
        if self._closing or self._wanted > self._started:
            return True
        if self._error is not None:
            return time.monotonic() >= self._next_look
        return bool(self._memory or self._to_unlink)

    def _write_all(self) -> None:
        """Write what is in memory, a batch at a time, and remove the files that made room."""
        while True:
            with self._lock:
                to_unlink, self._to_unlink = self._to_unlink, []
                batch = self._batch()
            for name in to_unlink:
                self._files.remove(name)
            if not batch:
                break
            self._writing_since = time.monotonic()
            self._write(batch)
        if self._error is not None:
            self._files.try_disk()

    def _batch(self) -> list[Sample]:
        batch: list[Sample] = []
        size = 0
        for name in sorted(self._memory):
            size += self._memory[name].size
            if batch and size > _BATCH_BYTES:
                break
            batch.append(self._memory[name])
        return batch

    def _write(self, batch: list[Sample]) -> None:
        """Write samples; they leave the memory only when a power cut would not lose them."""
        written = []
        try:
            for sample in batch:
                self._files.write(sample, is_wanted=lambda name: name in self._memory)
                written.append(sample.name)
        finally:
            if written:
                self._files.sync()
            for name in written:
                if self.forget(name):
                    self._counters.kept += 1
                else:  # it was uploaded or dropped meanwhile
                    self._files.remove(name)
            self._on_ready()

    def _rejected(self, error: OSError) -> None:
        if self._error is None:
            _log.error("samples are kept in memory, because the disk rejects them: %s", error)
        self._error = str(error)
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def _accepted(self) -> None:
        if self._error is not None:
            _log.info("the disk accepts samples again")
        self._error = None
