"""What of a fleet has been done, in a file that outlives every failure."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from ..cli.output import ToolError

DONE = "done"


class Journal:
    """A context that notes each step as a line of JSON, on disk before the next step begins.

    Its first line says which fleet it is of, so that it cannot be used for another one. It holds no
    keys. Threads may share it.
    """

    def __init__(self, file: Path, fleet: dict[str, str]) -> None:
        """Read what is there.

        Raises:
            ToolError: if it is the journal of another fleet, or none.
        """
        self._file = file
        self._lock = threading.Lock()
        self._steps: dict[str, dict[str, Any]] = {}
        is_new = not file.exists() or not self._read(fleet)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if is_new:
            self._append({"fleet": fleet})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def get(self, core: str, step: str) -> Any:
        """Return what was noted of a step; None if it has not been done."""
        with self._lock:
            return self._steps.get(core, {}).get(step)

    def note(self, core: str, step: str, value: Any = True) -> None:
        """Note that a step is done."""
        with self._lock:
            self._steps.setdefault(core, {})[step] = value
            self._append({"core": core, "step": step, "value": value})

    def _read(self, fleet: dict[str, str]) -> bool:
        """Take over what is there; return False if it has no complete line."""
        content = self._file.read_bytes()
        # The last line may be half: the step that it was to note is then done once more.
        whole, _, rest = content.rpartition(b"\n")
        if rest:
            os.truncate(self._file, len(content) - len(rest))
        lines = whole.splitlines()
        if not lines:
            return False
        try:
            head, *steps = [json.loads(line) for line in lines]
            found = head["fleet"]
            for step in steps:
                self._steps.setdefault(step["core"], {})[step["step"]] = step["value"]
        except (ValueError, KeyError, TypeError):
            raise ToolError(f"{self._file} is no journal of this command") from None
        if found != fleet:
            changed = [
                f"{key} was {found.get(key)}, now {fleet[key]}"
                for key in fleet
                if found.get(key) != fleet[key]
            ]
            raise ToolError(
                f"{self._file} is of another fleet ({'; '.join(changed)}): give its own --out"
            )
        return True

    def _append(self, values: dict[str, Any]) -> None:
        line = json.dumps(values, sort_keys=True).encode() + b"\n"
        if os.write(self._descriptor, line) != len(line):
            raise ToolError(f"{self._file}: the disk is full")
        os.fsync(self._descriptor)
