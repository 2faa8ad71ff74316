"""Keeps samples on disk until they are uploaded, so that no fault or restart loses one.

A sample is one file. It gets its name only when all of it is on disk, and is removed only when
everything is done. After a ``kill -9`` or a power cut in between, the next start does the same
again under the same names.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .sample_files import SUFFIX, SampleFiles
from .sample_writer import SampleWriter, SpoolCounters
from .samples import Sample, SampleRequest, encode


@dataclass(frozen=True)
class _Entry:
    """A waiting sample: its size, and the ids of its requests."""

    size: int
    request_ids: tuple[str, ...] = ()


class Spool:
    """Samples in a folder, the oldest first, with at most ``capacity`` bytes in total.

    A thread writes new samples to disk; until they are safe there, they are in memory, with at most
    a quarter of the capacity. When there is no room in either, the oldest sample is dropped, and
    returned to the caller who added the newest. So a disk that fails or hangs delays no caller of
    :meth:`add`. One thread adds; another one reads and removes.
    """

    def __init__(self, folder: Path, capacity: int, memory: int | None = None) -> None:
        """Open the spool, with the samples that an earlier process left, and start the thread.

        A folder that cannot be created is not an error: samples are then kept in memory, with at
        most ``memory`` bytes, if that is given.
        """
        self.counters = SpoolCounters()
        self._memory_capacity = capacity // 4 if memory is None else memory
        self._files = SampleFiles(folder)
        self._capacity = capacity
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._reading: str | None = None
        self._held: set[tuple[str, str]] = set()
        self._last_name = 0
        samples, partial = self._files.left_behind()
        for name, size in samples.items():
            self._entries[name] = _Entry(size, self._files.request_ids(name))
        self._writer = SampleWriter(self._files, self._lock, self.counters)
        for name in partial:
            self._writer.unlink(name)

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
        return len(self._writer.sizes())

    @property
    def fault(self) -> str | None:
        """Why the disk accepts no samples at present, or None."""
        return self._writer.fault

    def watch(self, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` from now on, from another thread, when samples become ready."""
        self._writer.watch(on_ready)

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
            return self._writer.find(name) is None or self._writer.is_slow

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
        with self._lock:
            self._writer.add(sample)
            self._entries[sample.name] = _Entry(size, tuple(one.id for one in requests))
        return gone

    def read(self, name: str) -> Sample:
        """Return a waiting sample, which is not dropped to make room until another one is read.

        Raises:
            DamagedSampleError: if its file is damaged or missing; it can only be removed.
            OSError: if it cannot be read at present.
        """
        with self._lock:
            self._reading = name
            sample = self._writer.find(name)
        return self._files.read(name) if sample is None else sample

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

    def sync(self, seconds: float) -> bool:
        """Try to write what is in memory, for at most ``seconds``; return whether all is done."""
        return self._writer.sync(seconds)

    def close(self) -> list[Sample]:
        """Write to disk what is kept in memory; return the samples for which there is no room."""
        lost = self._writer.close()
        for sample in lost:
            self._take_out(sample.name)
            self.counters.dropped += 1
        return lost

    def _take_out(self, name: str) -> tuple[tuple[str, ...], bool]:
        """Forget a sample; return the ids of its requests, and whether it has a file."""
        with self._lock:
            entry = self._entries.pop(name, _Entry(0))
            in_memory = self._writer.forget(name)
            self._held = {pair for pair in self._held if pair[0] != name}
            if self._reading == name:
                self._reading = None
        return entry.request_ids, not in_memory

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
                sizes = self._writer.sizes()
                names = sorted(name for name in sizes if not self._is_held(name))
            if sum(sizes.values()) + size <= room:
                return gone
            if size > room or not names:
                self.counters.dropped += 1
                return [*gone, sample]
            gone.append(self._drop(names[0]))

    def _is_held(self, name: str) -> bool:
        return name == self._reading or any(name == held for held, _ in self._held)

    def _drop(self, name: str) -> Sample:
        """Remove a sample to make room; return it with the ids of its requests, and nothing else.

        Its file is removed by the thread, because the disk may hang.
        """
        with self._lock:
            ids, is_on_disk = self._take_out(name)
            if is_on_disk:
                self._writer.unlink(name)
        self.counters.dropped += 1
        return Sample(name, tuple(SampleRequest(one, "", "", "", {}) for one in ids), b"")
