"""Samples on disk until they are uploaded, so that neither a fault nor a restart loses one.

A sample is one file: a line of JSON that says what is to be done with it, then the image. It
appears under its name only when it is whole, and is removed only when everything was done; a
``kill -9`` in between leaves it to the next start, which does the same again under the same names.
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

_log = logging.getLogger(__name__)

_SUFFIX = ".sample"
_PARTIAL = ".partial"


@dataclass(frozen=True)
class SampleRequest:
    """One configuration's wish for a sample: where it goes, and the message that will follow.

    Requests that share ``bucket`` and ``key`` share the upload.
    """

    id: str
    bucket: str
    key: str
    content_type: str
    message: dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """An image with the requests for it; ``name`` orders samples by their age."""

    name: str
    requests: tuple[SampleRequest, ...]
    image: bytes


@dataclass
class SpoolCounters:
    """What became of the samples. ``dropped`` made room, ``damaged`` could not be read again."""

    kept: int = 0
    dropped: int = 0
    damaged: int = 0


class Spool:
    """Samples in a folder, the oldest first, together at most ``capacity`` bytes.

    Where the disk takes none, up to a fourth of the capacity is kept in memory instead. When the
    room ends, the oldest sample goes, and is returned to whoever added the newest.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        """Open the spool, with the samples that an earlier process left.

        A folder that cannot be made is not an error: samples are then kept in memory.
        """
        self.counters = SpoolCounters()
        self._folder = folder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._memory: dict[str, Sample] = {}
        self._last_name = 0
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                if path.suffix == _SUFFIX:
                    self._sizes[path.name] = path.stat().st_size
                elif path.suffix == _PARTIAL:
                    path.unlink()

    def __len__(self) -> int:
        """Return how many samples wait."""
        with self._lock:
            return len(self._sizes)

    @property
    def size(self) -> int:
        """How many bytes the waiting samples take."""
        with self._lock:
            return sum(self._sizes.values())

    def names(self) -> list[str]:
        """Return the names of the waiting samples, the oldest first."""
        with self._lock:
            return sorted(self._sizes)

    def add(self, requests: tuple[SampleRequest, ...], image: bytes) -> list[Sample]:
        """Keep a sample; return those that had to go to make room, the new one perhaps among them.

        Raises:
            OSError: if neither the disk nor memory has room for it.
        """
        sample = Sample(self._new_name(), requests, image)
        content = _encode(sample)
        if len(content) > self._capacity:
            self.counters.dropped += 1
            return [sample]
        gone = self._make_room(len(content))
        try:
            self._write(sample.name, content)
        except OSError as error:
            self._keep_in_memory(sample, len(content), error)
        with self._lock:
            self._sizes[sample.name] = len(content)
        self.counters.kept += 1
        return gone

    def read(self, name: str) -> Sample | None:
        """Return a waiting sample, or None (and forget it) if it is damaged or gone."""
        if name in self._memory:
            return self._memory[name]
        try:
            return _decode(name, (self._folder / name).read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.error("sample %s is damaged and left out: %s", name, error)
            self.counters.damaged += 1
            self.remove(name)
            return None

    def remove(self, name: str) -> None:
        """Forget a sample, because everything was done with it or nothing can be."""
        with self._lock:
            self._sizes.pop(name, None)
            if self._memory.pop(name, None) is not None:
                return
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()

    def _new_name(self) -> str:
        """Return a name that sorts behind all others, even when the clock was set back."""
        with self._lock:
            newest = max(self._sizes, default="0").partition(".")[0]
            self._last_name = max(time.time_ns(), self._last_name + 1, int(newest) + 1)
            return f"{self._last_name:020d}{_SUFFIX}"

    def _make_room(self, size: int) -> list[Sample]:
        gone: list[Sample] = []
        while self.size + size > self._capacity:
            oldest = self.names()[0]
            sample = self.read(oldest)
            if sample is not None:
                gone.append(sample)
                self.counters.dropped += 1
                self.remove(oldest)
        return gone

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

    def _keep_in_memory(self, sample: Sample, size: int, error: OSError) -> None:
        held = sum(len(one.image) for one in self._memory.values())
        if held + size > self._capacity // 4:
            raise error
        if not self._memory:
            _log.error("samples are kept in memory, the disk takes none: %s", error)
        with self._lock:
            self._memory[sample.name] = sample


def _encode(sample: Sample) -> bytes:
    requests = [vars(request) for request in sample.requests]
    head = {"bytes": len(sample.image), "requests": requests}
    return json.dumps(head).encode() + b"\n" + sample.image


def _decode(name: str, content: bytes) -> Sample:
    line, _, image = content.partition(b"\n")
    head = json.loads(line)
    if head["bytes"] != len(image):
        raise ValueError(f"it has {len(image)} of {head['bytes']} bytes")
    return Sample(name, tuple(SampleRequest(**fields) for fields in head["requests"]), image)
