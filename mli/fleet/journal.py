"""The steps of a fleet that are done, in a file that survives every failure."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from ..files import AppendedFile

DONE = "done"
CERTIFICATE = "certificate"
IMPORT = "import"
"""Noted of a core whose thing and certificate existed before."""
ROTATION = "rotation"
"""The certificate that will replace the core's, until it has."""
REMOVAL = "removal"
"""What will be removed of a core; it is noted until nothing is left of the core."""
CLAIMS = "claims"
"""Noted of the fleet: the claims to delete, until they are."""
OF_FLEET = ""
"""Takes the place of a core's name in what is noted of the fleet itself."""
JOURNAL = "journal.jsonl"
REMOVED_FOLDER = "removed"
"""Where the files of a removed core go, below the folder of the fleet, which has the journal."""


class Journal(AppendedFile):
    """A context that notes each step as a line of JSON, on disk before the next step begins.

    Its first line names the fleet, so that it cannot be used for another one. It holds no keys.
    Threads may share it. That of a ``dry_run`` is only read: it has nothing if there is no file.
    """

    def __init__(self, file: Path, fleet: dict[str, str], *, dry_run: bool = False) -> None:
        """Read an existing journal, or begin one.

        Raises:
            MliError: if the file is the journal of another fleet, or not a journal.
        """
        self._lock = threading.Lock()
        self._steps: dict[str, dict[str, Any]] = {}
        self._dry_run = dry_run
        is_new = not file.exists() or not self._read(file, fleet)
        super().__init__(Path(os.devnull) if dry_run else file, 0o600)
        self.file = file
        if is_new:
            self._append({"fleet": fleet})

    @classmethod
    def of_fleet(cls, folder: Path, fleet: FleetStack, *, dry_run: bool = False) -> Journal:
        """Open the journal in the folder of a fleet.

        Raises:
            MliError: if it is that of a fleet of another name, account or Region.
        """
        named = {"fleet": fleet.name, "place": fleet.place}
        return cls(folder / JOURNAL, named, dry_run=dry_run)

    def cores(self) -> list[str]:
        """Return the names of all cores of which something is noted."""
        with self._lock:
            steps = self._steps.items()
            return [name for name, done in steps if any(done.values()) and name != OF_FLEET]

    def forget(self, core: str) -> None:
        """Note of each step of a core that it is not done (any more), in reverse order."""
        with self._lock:
            steps = [step for step, value in self._steps.get(core, {}).items() if value is not None]
        for step in reversed(steps):
            self.note(core, step, None)

    def get(self, core: str, step: str) -> Any:
        """Return what was noted of a step; None if it has not been done."""
        with self._lock:
            return self._steps.get(core, {}).get(step)

    def note(self, core: str, step: str, value: Any = True) -> None:
        """Note that a step is done."""
        with self._lock:
            self._steps.setdefault(core, {})[step] = value
            self._append({"core": core, "step": step, "value": value})

    def _read(self, file: Path, fleet: dict[str, str]) -> bool:
        """Read the steps that are noted; return False if there is no complete line."""
        content = file.read_bytes()
        # The last line may be incomplete: its step is then done again.
        whole, _, rest = content.rpartition(b"\n")
        if rest and not self._dry_run:
            os.truncate(file, len(content) - len(rest))
        lines = whole.splitlines()
        if not lines:
            return False
        try:
            head, *steps = [json.loads(line) for line in lines]
            found = head["fleet"]
            for step in steps:
                self._steps.setdefault(step["core"], {})[step["step"]] = step["value"]
        except (ValueError, KeyError, TypeError):
            raise MliError(f"{file} is not a journal of this command") from None
        if found != fleet:
            changed = [
                f"{key} was {found.get(key)}, now {fleet[key]}"
                for key in fleet
                if found.get(key) != fleet[key]
            ]
            raise MliError(
                f"{file} is the journal of another fleet ({'; '.join(changed)}): "
                "give another --output"
            )
        return True

    def _append(self, values: dict[str, Any]) -> None:
        if self._dry_run:
            return
        line = json.dumps(values, sort_keys=True).encode() + b"\n"
        if os.write(self.descriptor, line) != len(line):
            raise MliError(f"{self.file}: the disk is full")
        os.fsync(self.descriptor)
