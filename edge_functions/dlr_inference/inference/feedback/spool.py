"""Keeps samples on disk until they are uploaded, so that no fault or restart loses one.

A sample is one file. It gets its name only when all of it is on disk, and is removed only when
everything is done. After a ``kill -9`` or a power cut in between, the next start does the same
again under the same names.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .sample_files import SUFFIX, SampleFiles
from .samples import DamagedSampleError, Sample, SampleRequest, encode

__all__ = ["DamagedSampleError", "Sample", "SampleRequest", "Spool", "SpoolCounters"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
"""How often a disk that failed is tried again."""
_HANGS_SECONDS = 7.0
"""A disk that has not written a batch for this long is a fault."""
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


@dataclass(frozen=True)
class _Entry:
    """A waiting sample: its size, and the ids of its requests."""

    size: int
    request_ids: tuple[str, ...] = ()


class Spool:
    """Samples in a folder, the oldest first, with at most ``capacity`` bytes in total.

    A thread writes new samples to disk; until they are safe there, they are in memory, with at most
    a fourth of the capacity. When there is no room in either, the oldest sample is dropped, and
    returned to the caller who added the newest. So a disk that fails or hangs delays no caller of
    :meth:`add`. One thread adds; another one reads and removes.
    """

    def __init__(self, folder: Path, capacity: int, memory: int | None = None) -> None:
        """Open the spool, with the samples that an earlier process left, and start the thread.

        A folder that cannot be created is not an error: samples are then kept in memory, with at
        most ``memory`` bytes, if that is given.
        """
        self.counters = SpoolCounters()
        self._error: str | None = None
        self._memory_capacity = capacity // 4 if memory is None else memory
        self._files = SampleFiles(folder)
        self._capacity = capacity
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._entries: dict[str, _Entry] = {}
        self._memory: dict[str, Sample] = {}
        self._reading: str | None = None
        self._held: set[tuple[str, str]] = set()
        self._last_name = 0
        self._to_unlink: list[str] = []
        self._next_look = 0.0
        self._wanted = self._started = self._ended = 0
        self._writing_since: float | None = None
        self._closing = False
        self._on_ready: Callable[[], None] = lambda: None
        for name, size in self._files.take_over():
            self._entries[name] = _Entry(size, self._files.request_ids(name))
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return how many samples are waiting."""
        with self._lock:
            return len(self._entries)

    @property
    def size(self) -> int:
        """Total size of the waiting samples in bytes."""
        with self._lock:
            return sum(entry.size for entry in self._entries.values())

    @property
    def in_memory(self) -> int:
        """How many samples are not on disk yet: a kill or power cut would lose them."""
        with self._lock:
            return len(self._memory)

    @property
    def fault(self) -> str | None:
        """Why the disk accepts no samples at present, or None."""
        since = self._writing_since
        if self._error is None and since is not None:
            seconds = time.monotonic() - since
            if seconds > _HANGS_SECONDS:
                return f"no answer for {seconds:.0f} s"
        return self._error

    def watch(self, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` from now on, from another thread, when samples become ready."""
        self._on_ready = on_ready

    def names(self) -> list[str]:
        """Return the names of the waiting samples, the oldest first."""
        with self._lock:
            return sorted(self._entries)

    def is_ready(self, name: str) -> bool:
        """Tell whether a sample may be uploaded: it is safe on disk, or the disk fails or is slow.

        If one were uploaded from memory, and the process then killed, nothing would ever report its
        object. Where the disk takes nothing, that is better than to lose the sample.
        """
        with self._lock:
            if name not in self._memory or self._error is not None:
                return True
            since = self._writing_since
            return since is not None and time.monotonic() - since > _PATIENCE_SECONDS

    def add(
        self, requests: tuple[SampleRequest, ...], image: bytes, mask: bytes = b""
    ) -> list[Sample]:
        """Keep a sample; return those that were dropped to make room.

        It never fails: if neither disk nor memory has room, the new sample is among them.
        """
        sample = Sample(self._new_name(), requests, image, mask)
        size = len(encode(sample))
        gone = self._make_room(sample, size)
        if sample not in gone:
            gone += self._make_room_in_memory(sample, size)
        if sample in gone:
            return gone
        with self._changed:
            self._memory[sample.name] = sample
            self._entries[sample.name] = _Entry(size, tuple(one.id for one in requests))
            self._changed.notify_all()
        return gone

    def read(self, name: str) -> Sample:
        """Return a waiting sample, which is not dropped to make room until another one is read.

        Raises:
            DamagedSampleError: if its file is damaged or missing; it can only be removed.
            OSError: if it cannot be read at present.
        """
        with self._lock:
            self._reading = name
            if name in self._memory:
                return self._memory[name]
        return self._files.read(name)

    def hold(self, name: str, key: str) -> None:
        """Do not drop a sample to make room, because its upload to ``key`` is under way.

        Until it is removed, or :meth:`let_go` says that the upload has ended.
        """
        with self._lock:
            if name in self._entries:
                self._held.add((name, key))

    def let_go(self, name: str, key: str) -> None:
        """Let a sample make room again whose upload to ``key`` has ended."""
        with self._lock:
            self._held.discard((name, key))

    def remove(self, name: str) -> tuple[str, ...]:
        """Remove a sample, because everything was done with it, or nothing can be done.

        Return the ids of its requests.
        """
        ids, _ = self._take_out(name)
        self._files.remove(name)  # a sample in memory may have one by now
        return ids

    def _take_out(self, name: str) -> tuple[tuple[str, ...], bool]:
        """Forget a sample; return the ids of its requests, and whether it has a file."""
        with self._lock:
            entry = self._entries.pop(name, _Entry(0))
            in_memory = self._memory.pop(name, None) is not None
            self._held = {pair for pair in self._held if pair[0] != name}
            if self._reading == name:
                self._reading = None
        return entry.request_ids, not in_memory

    def sync(self, seconds: float) -> bool:
        """Try to write what is in memory, for at most ``seconds``; return whether all is done."""
        with self._changed:
            self._wanted = wanted = self._started + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended >= wanted, seconds)
            return not self._memory

    def close(self) -> list[Sample]:
        """Write to disk what is kept in memory; return the samples for which there is no room."""
        if self._thread.is_alive():
            self.sync(_CLOSE_SECONDS)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            lost = [self._memory[name] for name in sorted(self._memory)]
        for sample in lost:
            self._take_out(sample.name)
            self.counters.dropped += 1
        return lost

    def _new_name(self) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        with self._lock:
            newest = max(self._entries, default="0").partition(".")[0]
            self._last_name = max(time.time_ns(), self._last_name + 1, int(newest) + 1)
            return f"{self._last_name:020d}{SUFFIX}"

    def _make_room(self, sample: Sample, size: int) -> list[Sample]:
        gone: list[Sample] = []
        while size <= self._capacity and self.size + size > self._capacity:
            with self._lock:
                oldest = next((name for name in self.names() if not self._is_held(name)), None)
            if oldest is None:
                break
            gone.append(self._drop(oldest))
        if self.size + size > self._capacity:
            self.counters.dropped += 1
            gone.append(sample)
        return gone

    def _make_room_in_memory(self, sample: Sample, size: int) -> list[Sample]:
        room = self._memory_capacity
        gone: list[Sample] = []
        while True:
            with self._lock:
                held = sum(one.size for one in self._memory.values())
                names = sorted(name for name in self._memory if not self._is_held(name))
            if held + size <= room:
                return gone
            if size > room or not names:
                self.counters.dropped += 1
                return [*gone, sample]
            gone.append(self._drop(names[0]))

    def _is_held(self, name: str) -> bool:
        return name == self._reading or any(name == held for held, _ in self._held)

    def _drop(self, name: str) -> Sample:
        """Remove a sample to make room; return the ids of its requests, without its image.

        Its file is removed by the thread, because the disk may hang.
        """
        with self._changed:
            ids, is_on_disk = self._take_out(name)
            if is_on_disk:
                self._to_unlink.append(name)
                self._changed.notify_all()
        self.counters.dropped += 1
        return Sample(name, tuple(SampleRequest(one, "", "", "", {}) for one in ids), b"")

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
                with self._lock:
                    is_needless = self._memory.pop(name, None) is None
                if is_needless:  # it was uploaded or dropped meanwhile
                    self._files.remove(name)
                else:
                    self.counters.kept += 1
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
