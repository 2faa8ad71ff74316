"""The steps of a fleet that are done, in a file that survives every failure."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any, Self

from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from ..files import AppendedFile
from .folder import create_fleet_folder

DONE = "done"
CERTIFICATE = "certificate"
IMPORT = "import"
"""Noted of a core whose thing and certificate existed before."""
ROTATION = "rotation"
"""The certificate that will replace the core's, until it has."""
SUSPENDED = "suspended"
"""Part of a rotation: the old certificates that it has deactivated, until it ends."""
REMOVAL = "removal"
"""What will be removed of a core; it is noted until nothing is left of the core."""
CLAIMS = "claims"
"""Noted of the fleet: the claims to delete, until they are."""
OF_FLEET = ""
"""Takes the place of a core's name in what is noted of the fleet itself."""
JOURNAL = "journal.jsonl"


class Journal:
    """A context that notes each step as a line of JSON, on disk before the next step begins.

    Its first line names the fleet, so that it cannot be used for another one. It holds no keys.
    Threads may share it, processes may not. A file, and its folder, are created when something is
    noted, so that a command that is refused leaves nothing. That of a ``dry_run`` is only read.
    """

    def __init__(self, file: Path, fleet: dict[str, str], *, dry_run: bool = False) -> None:
        """Read a journal, if there is one.

        Raises:
            MliError: if the file is the journal of another fleet, or not a journal, or if another
                process has it.
        """
        self.file = file
        self._fleet = fleet
        self._dry_run = dry_run
        self._lock = threading.RLock()
        self._steps: dict[str, dict[str, Any]] = {}
        self._opened: AppendedFile | None = None
        self._is_begun = dry_run
        if file.exists():
            if not dry_run:
                self._opened = self._open()
            try:
                self._is_begun = self._read(file, fleet) or dry_run
            except BaseException:
                self.close()
                raise

    @classmethod
    def of_fleet(cls, folder: Path, fleet: FleetStack, *, dry_run: bool = False) -> Journal:
        """Open the journal in the folder of a fleet.

        Raises:
            MliError: if it is that of a fleet of another name, account or Region.
        """
        named = {"fleet": fleet.name, "place": fleet.place}
        return cls(folder / JOURNAL, named, dry_run=dry_run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have the journal."""
        if self._opened is not None:
            self._opened.close()

    def begin(self) -> None:
        """Create the file, unless there is one. What must not be created twice comes after this.

        Raises:
            MliError: if another process has begun it meanwhile.
            OSError: if it cannot be written.
        """
        with self._lock:
            if self._is_begun:
                return
            if self._opened is None:
                create_fleet_folder(self.file.parent)
                opened = self._open()
                if os.fstat(opened.descriptor).st_size:
                    opened.close()
                    raise MliError(f"another command has begun {self.file}: repeat this one")
                self._opened = opened
            self._append({"fleet": self._fleet})
            self._is_begun = True

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
            self.begin()
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

    def _open(self) -> AppendedFile:
        """Open the file, for this process alone: the steps of another one would not be known."""
        opened = AppendedFile(self.file, 0o600)
        try:
            fcntl.flock(opened.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            opened.close()
            raise MliError(
                f"another `mli fleet` command is at work with {self.file}: repeat this one when it "
                "has ended"
            ) from None
        return opened

    def _append(self, values: dict[str, Any]) -> None:
        if self._opened is not None:
            self._opened.append(json.dumps(values, sort_keys=True).encode() + b"\n")
            os.fsync(self._opened.descriptor)
