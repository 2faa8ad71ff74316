"""Messages kept in a file, one JSON object per line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_core.output.terminal import json_line

from ..errors import MliError
from ..files import AppendedFile


class Record(AppendedFile):
    """A context that appends lines to a file, each at once, and whole or not at all.

    If a crash of another program left half a line, that line is ended first.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, 0o644)
        size = os.fstat(self.descriptor).st_size
        if size and os.pread(self.descriptor, 1, size - 1) != b"\n":
            os.write(self.descriptor, b"\n")

    def add(self, values: Mapping[str, Any]) -> None:
        """Append one line.

        Raises:
            MliError: if the disk is full; the part of the line that was written is removed.
        """
        line = json_line(values).encode() + b"\n"
        try:
            self.append(line)
        except OSError as error:
            raise MliError(f"{self.file}: {error.strerror}") from error
