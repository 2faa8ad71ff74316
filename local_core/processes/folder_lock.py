"""A folder that only one process at a time works in."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LocalCoreError


class FolderBusyError(LocalCoreError):
    """Another process works in the same folder."""


@contextmanager
def exclusive(lock: Path, refusal: str) -> Iterator[None]:
    """Hold the file ``lock``, whose folder is created if it is not there.

    Raises:
        FolderBusyError: with the text ``refusal``, if another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusyError(refusal) from None
        yield
