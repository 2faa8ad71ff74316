"""Rotations of a fleet that have begun on this workstation, by its journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..certificates import is_active
from ..journal import ROTATION, SUSPENDED, Journal


@dataclass(frozen=True)
class BegunRotation:
    """A core with a new certificate beside its old one; ``inactive`` are old ones, by their ids."""

    core: str
    new: str
    inactive: Sequence[str]

    def __str__(self) -> str:
        end = f"`mli fleet rotate {self.core} --finish`, or `--cancel`, ends its rotation"
        if not self.inactive:
            return f"{self.core} has two certificates: {end}"
        old = ", ".join(f"{one[:10]}…" for one in self.inactive)
        return f"{self.core}: its old certificate is inactive ({old}). If no --finish waits, {end}"

    def to_json(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return {"core": self.core, "certificateId": self.new, "inactive": list(self.inactive)}


def begun_rotations(iot: Any, journal: Journal) -> list[BegunRotation]:
    """Return the rotations that are neither finished nor cancelled, in the order of the cores."""
    found = []
    for core in sorted(journal.cores()):
        noted = journal.get(core, ROTATION)
        if isinstance(noted, dict):
            old = [str(arn).rpartition("/")[2] for arn in noted.get(SUSPENDED, ())]
            inactive = [identity for identity in old if not is_active(iot, identity)]
            found.append(BegunRotation(core, str(noted["id"]), inactive))
    return found
