"""The folder of samples: each file appears complete and safe from a power cut, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Callable

from ..syncing import sync_path
from .samples import DamagedSampleError, Sample, decode, encode, request_ids

SUFFIX = ".sample"
_PARTIAL = ".partial"


class SampleFiles:
    """Writes, reads and removes samples. Any of it may take as long as the disk hangs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rejected_bytes = 0

    def left_behind(self) -> tuple[dict[str, int], list[str]]:
        """Return what an earlier process left: samples with their sizes, and partial files.

        It only reads, because writing to a disk that hangs would delay the start. Other files are
        ignored, and a folder that is not there is empty.
        """
        samples: dict[str, int] = {}
        partial: list[str] = []
        with contextlib.suppress(OSError):
            for path in sorted(self._folder.iterdir()):
                with contextlib.suppress(OSError):
                    if path.suffix == SUFFIX and path.stem.isdecimal():
                        samples[path.name] = path.stat().st_size
                    elif path.name.endswith(SUFFIX + _PARTIAL):
                        partial.append(path.name)
        return samples, partial

    def request_ids(self, name: str) -> tuple[str, ...]:
        """Return the ids of a sample's requests; none if it is damaged."""
        return request_ids(self._folder / name)

    def read(self, name: str) -> Sample:
        """Return a sample.

        Raises:
            DamagedSampleError: if its file is damaged or missing.
            OSError: if it cannot be read at present.
        """
        try:
            return decode(name, (self._folder / name).read_bytes())
        except FileNotFoundError:
            raise DamagedSampleError("its file is gone") from None

    def remove(self, name: str) -> None:
        """Remove a sample's file, if there is one."""
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()

    def write(self, sample: Sample, is_wanted: Callable[[str], bool]) -> None:
        """Write a sample, unless it is not wanted any more; :meth:`sync` makes its name safe.

        Raises:
            OSError: if the disk rejects it.
        """
        self._create_folder()
        content = encode(sample)
        partial = self._folder / (sample.name + _PARTIAL)
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if is_wanted(sample.name):
                partial.replace(self._folder / sample.name)
            else:
                partial.unlink()
        except OSError:
            self._rejected_bytes = len(content)
            with contextlib.suppress(OSError):
                partial.unlink()
            raise

    def sync(self) -> None:
        """Make sure that the names of the files survive a power cut."""
        sync_path(self._folder)

    def try_disk(self) -> None:
        """Write as many bytes as the disk rejected last, and remove them again.

        Raises:
            OSError: if the disk still rejects them.
        """
        partial = self._folder / f"trial{SUFFIX}{_PARTIAL}"
        self._create_folder()
        try:
            partial.write_bytes(bytes(self._rejected_bytes))
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _create_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            sync_path(self._folder.parent)
