"""A real disk of its own for a test: it can fill up, hang, and lose power."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Disk:
    """A file system in a file, mounted at ``folder``."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self._is_frozen = False

    def freeze(self) -> None:
        """Let every write wait from now on, as a disk that has died does."""
        _run("fsfreeze", "--freeze", str(self.folder))
        self._is_frozen = True

    def thaw(self) -> None:
        """Let the writes go on that wait."""
        if self._is_frozen:
            _run("fsfreeze", "--unfreeze", str(self.folder))
        self._is_frozen = False

    def delays(self, act: Callable[[], object], seconds: float = 10) -> bool:
        """Tell whether ``act`` waits for the disk if it hangs; it is done when this returns."""
        self.freeze()
        thread = threading.Thread(target=act)
        thread.start()
        thread.join(seconds)
        is_waiting = thread.is_alive()
        self.thaw()
        thread.join()
        return is_waiting

    @contextlib.contextmanager
    def after_power_cut(self) -> Iterator[Path]:
        """Mount what the disk would hold if the power failed now, without what was not synced."""
        image, folder = self.image.with_suffix(".copy"), self.folder.with_name("after")
        shutil.copyfile(self.image, image)
        folder.mkdir(exist_ok=True)
        _run("mount", "-o", "loop", str(image), str(folder))
        try:
            yield folder
        finally:
            _run("umount", str(folder))

    @contextlib.contextmanager
    def filled(self, but: int = 0) -> Iterator[None]:
        """Fill it meanwhile, until only so many bytes are free."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as opened:
            with contextlib.suppress(OSError):
                while opened.write(b"x" * 1_024):
                    pass
            opened.truncate(opened.tell() - but)
            os.fsync(opened.fileno())
        try:
            yield
        finally:
            ballast.unlink()

    def make_read_only(self) -> None:
        """Refuse all writes from now on, as a system does after a fault of the disk."""
        _run("mount", "-o", "remount,ro", str(self.folder))

    def lose_power(self) -> None:
        """Lose what was not synced, and mount the rest again; nobody may use the disk meanwhile."""
        copy = self.image.with_suffix(".copy")
        shutil.copyfile(self.image, copy)
        _run("umount", str(self.folder))
        copy.replace(self.image)
        self.mount()

    def mount(self) -> None:
        """Mount it, with a journal that is written at a sync only: nothing is safe by chance."""
        _run("mount", "-o", "loop,commit=3600", str(self.image), str(self.folder))


@contextlib.contextmanager
def disk(folder: Path, size: str = "32M") -> Iterator[Disk]:
    """Mount a disk below ``folder``; skip the test on a machine where that is not possible."""
    made = Disk(folder / "disk.image", folder / "disk")
    made.folder.mkdir(parents=True)
    try:
        _run("truncate", "--size", size, str(made.image))
        _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(made.image))
        made.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a disk needs root, loop devices, ext4 and fsfreeze: {error}")
    try:
        yield made
    finally:
        made.thaw()
        _run("umount", "--lazy", str(made.folder))


@contextlib.contextmanager
def tmpfs(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size at ``folder``; skip the test where that is not possible."""
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a file system needs root: {error}")
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
