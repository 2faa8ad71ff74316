"""Files that survive a crash: written whole or not at all, or extended line by line."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self


@contextmanager
def draft_of(file: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Yield a file beside ``file`` with this content and mode, to be linked or moved to its place.

    It is on disk before it is yielded, and is removed if it is still there at the end.
    """
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        yield draft
    except OSError as error:
        error.filename = error.filename or str(file)  # none is named where the disk is full
        raise
    finally:
        draft.unlink(missing_ok=True)


class AppendedFile:
    """A context with a file that is only appended to; its folder is created if it is missing."""

    def __init__(self, file: Path, mode: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self.descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def append(self, line: bytes) -> None:
        """Append a line, whole or not at all.

        Raises:
            OSError: if the disk is full; the part of the line that was written is removed.
        """
        size = os.fstat(self.descriptor).st_size
        try:
            written = os.write(self.descriptor, line)
        except OSError as error:
            error.filename = str(self.file)
            raise
        if written != len(line):
            os.ftruncate(self.descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.file))

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)
