"""Keeps samples on disk until they are uploaded, so that no fault or restart loses one.

A sample is one file: a line of JSON with what is to be done, then the image. It gets its name only
when it is complete, and is removed only when everything is done. After a ``kill -9`` in between,
the next start does the same again under the same names.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InferenceError

_log = logging.getLogger(__name__)

_SUFFIX = ".sample"
_PARTIAL = ".partial"
_LOOK_SECONDS = 2.0
"""How often a disk that failed is tried again."""


@dataclass(frozen=True)
class SampleRequest:
    """One configuration's request for a sample: where it goes, and the message that follows.

    Requests that share ``bucket`` and ``key`` share the upload.
    """

    id: str
    bucket: str
    key: str
    content_type: str
    message: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """An image with the requests for it. Names sort by age."""

    name: str
    requests: tuple[SampleRequest, ...]
    image: bytes


class DamagedSampleError(InferenceError):
    """A sample's file that is missing, or not as it was written."""


@dataclass
class SpoolCounters:
    """What became of the samples: ``dropped`` to make room, ``damaged`` when read again."""

    kept: int = 0
    dropped: int = 0
    damaged: int = 0


@dataclass(frozen=True)
class _Entry:
    """A waiting sample: its size, and the ids of its requests, if this process accepted them."""

    size: int
    request_ids: tuple[str, ...] = ()


class Spool:
    """Samples in a folder, the oldest first, with at most ``capacity`` bytes in total.

    If the disk rejects samples, up to a fourth of the capacity is kept in memory until it accepts
    them. When there is no room, the oldest sample is dropped, and returned to the caller who added
    the newest. One thread adds; another one reads and removes.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        """Open the spool, with the samples that an earlier process left.

        A folder that cannot be created is not an error: samples are then kept in memory.
        """
        self.counters = SpoolCounters()
        self.fault: str | None = None
        """Why the disk rejects samples at present, or None."""
        self._folder = folder
        self._capacity = capacity
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._memory: dict[str, Sample] = {}
        self._reading: str | None = None
        self._held: set[str] = set()
        self._last_name = 0
        self._refused_bytes = 0
        self._next_look = 0.0
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                self._take_over(path)

    def __len__(self) -> int:
        """Return how many samples are waiting."""
        with self._lock:
            return len(self._entries)

    @property
    def size(self) -> int:
        """Total size of the waiting samples in bytes."""
        with self._lock:
            return sum(entry.size for entry in self._entries.values())

    def names(self) -> list[str]:
        """Return the names of the waiting samples, the oldest first."""
        with self._lock:
            return sorted(self._entries)

    def add(self, requests: tuple[SampleRequest, ...], image: bytes) -> list[Sample]:
        """Keep a sample; return those that were dropped to make room.

        It never fails: if neither disk nor memory has room, the new sample is among them.
        """
        sample = Sample(self._new_name(), requests, image)
        content = _encode(sample)
        gone = self._make_room(sample, len(content))
        if sample in gone:
            return gone
        try:
            self._write(sample.name, content)
        except OSError as error:
            self._refused(error, len(content))
            gone += self._make_room_in_memory(sample, len(content))
            if sample in gone:
                return gone
            with self._lock:
                self._memory[sample.name] = sample
        else:
            self._taken()
        entry = _Entry(len(content), tuple(request.id for request in requests))
        with self._lock:
            self._entries[sample.name] = entry
        self.counters.kept += 1
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
        try:
            return _decode(name, (self._folder / name).read_bytes())
        except FileNotFoundError:
            raise DamagedSampleError("its file is gone") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedSampleError(str(error)) from None

    def hold(self, name: str) -> None:
        """Do not drop a sample to make room before it is removed: its upload is under way."""
        with self._lock:
            if name in self._entries:
                self._held.add(name)

    def remove(self, name: str) -> tuple[str, ...]:
        """Remove a sample, because everything was done with it, or nothing can be done.

        Return the ids of its requests, as far as this process accepted them.
        """
        with self._lock:
            entry = self._entries.pop(name, _Entry(0))
            in_memory = self._memory.pop(name, None) is not None
            self._held.discard(name)
            if self._reading == name:
                self._reading = None
        if not in_memory:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
        return entry.request_ids

    def settle(self) -> None:
        """Write to disk what is kept in memory, if the disk accepts samples again."""
        if self.fault is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._write_memory()

    def close(self) -> list[Sample]:
        """Write to disk what is kept in memory; return the samples for which there is no room."""
        if self._memory:
            self._write_memory()
        with self._lock:
            lost = [self._memory[name] for name in sorted(self._memory)]
        for sample in lost:
            self.remove(sample.name)
            self.counters.dropped += 1
        return lost

    def _take_over(self, path: Path) -> None:
        """Add a file that an earlier process left; ignore files that are no samples."""
        with contextlib.suppress(OSError):
            if path.suffix == _SUFFIX and path.stem.isdecimal():
                self._entries[path.name] = _Entry(path.stat().st_size)
            elif path.name.endswith(_SUFFIX + _PARTIAL):
                path.unlink()

    def _new_name(self) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        with self._lock:
            newest = max(self._entries, default="0").partition(".")[0]
            self._last_name = max(time.time_ns(), self._last_name + 1, int(newest) + 1)
            return f"{self._last_name:020d}{_SUFFIX}"

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
        room = self._capacity // 4
        gone: list[Sample] = []
        while True:
            with self._lock:
                held = sum(len(one.image) for one in self._memory.values())
                names = sorted(name for name in self._memory if not self._is_held(name))
            if held + size <= room:
                return gone
            if size > room or not names:
                self.counters.dropped += 1
                return [*gone, sample]
            gone.append(self._drop(names[0]))

    def _is_held(self, name: str) -> bool:
        return name == self._reading or name in self._held

    def _drop(self, name: str) -> Sample:
        """Remove a sample to make room; return what is still known about it."""
        with self._lock:
            sample = self._memory.get(name)
        if sample is None:
            try:
                sample = _decode(name, (self._folder / name).read_bytes())
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                sample = None
        ids = self.remove(name)
        self.counters.dropped += 1
        lost = tuple(SampleRequest(one, "", "", "", {}) for one in ids)
        return sample or Sample(name, lost, b"")

    def _write_memory(self) -> None:
        with self._lock:
            waiting = [self._memory[name] for name in sorted(self._memory)]
        try:
            for sample in waiting:
                content = _encode(sample)
                self._write(sample.name, content)
                with self._lock:
                    needless = self._memory.pop(sample.name, None) is None
                if needless:  # it was dropped meanwhile
                    (self._folder / sample.name).unlink()
            if not waiting:
                self._try_disk()
        except OSError as error:
            self.fault = str(error)
        else:
            self._taken()

    def _try_disk(self) -> None:
        """Write as many bytes as the disk rejected last, and remove them again."""
        partial = self._folder / (f"trial{_SUFFIX}{_PARTIAL}")
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(bytes(self._refused_bytes))
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / (name + _PARTIAL)
        try:
            partial.write_bytes(content)
            partial.replace(self._folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise

    def _refused(self, error: OSError, size: int) -> None:
        if self.fault is None:
            _log.error("samples are kept in memory, because the disk rejects them: %s", error)
        self.fault = str(error)
        self._refused_bytes = size
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def _taken(self) -> None:
        if self.fault is not None:
            _log.info("the disk accepts samples again")
        self.fault = None


def _encode(sample: Sample) -> bytes:
    requests = [vars(request) for request in sample.requests]
    head = {"bytes": len(sample.image), "requests": requests}
    return json.dumps(head).encode() + b"\n" + sample.image


def _decode(name: str, content: bytes) -> Sample:
    line, _, image = content.partition(b"\n")
    head = json.loads(line)
    if head["bytes"] != len(image):
        raise ValueError(f"it has {len(image)} of {head['bytes']} bytes")
    requests = tuple(SampleRequest(**fields) for fields in head["requests"])
    for request in requests:
        if not isinstance(request.message.get("metadata"), dict):
            raise ValueError(f"its request {request.id} has no metadata")
    return Sample(name, requests, image)
