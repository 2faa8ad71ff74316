"""Messages kept in a file, one JSON object per line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import MliError


class Record:
    """A context that appends lines to a file, each at once, and whole or not at all.

    If a crash of another program left half a line, that line is ended first.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def add(self, values: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            MliError: if the disk is full; the part of the line that was written is removed.
        """
        line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
        size = os.fstat(self._descriptor).st_size
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise MliError(f"{self._file}: {error.strerror}") from error
        if written != len(line):
            os.ftruncate(self._descriptor, size)
            raise MliError(f"{self._file}: no space for another line")
