"""What the cloud knows about a core: its components, its deployments, and why one failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUCCEEDED = ("SUCCEEDED", "COMPLETED", "Success")
FAILED = ("FAILED", "TIMED_OUT", "CANCELED", "REJECTED", "Failure")
_BAD_STATES = ("BROKEN", "ERRORED")


@dataclass(frozen=True)
class Component:
    """One component on a core; ``detail`` is what the nucleus reports about its state."""

    name: str
    version: str
    state: str
    detail: str

    @property
    def is_bad(self) -> bool:
        """Whether it has failed."""
        return self.state in _BAD_STATES


@dataclass(frozen=True)
class Deployment:
    """How one deployment went on this core; ``reason`` is what the core reports, in one line."""

    id: str
    name: str
    status: str
    reason: str
    at: datetime | str

    @property
    def is_under_way(self) -> bool:
        """Whether the core has not reported a result yet."""
        return self.status not in SUCCEEDED + FAILED


@dataclass(frozen=True)
class CoreState:
    """A core as it last reported; ``summary`` is what a person reads about the core as a whole.

    ``device``, ``nucleus`` and ``seen`` are empty for a core that never reported them.
    """

    core_name: str
    generation: int
    summary: str = ""
    has_connected: bool = True
    is_healthy: bool = False
    device: str = ""
    nucleus: str = ""
    seen: datetime | str = ""
    components: tuple[Component, ...] = ()
    deployments: tuple[Deployment, ...] = ()

    @property
    def latest(self) -> Deployment | None:
        """The newest deployment that the core knows."""
        return self.deployments[0] if self.deployments else None

    @property
    def is_good(self) -> bool:
        """Whether it runs what was last deployed to it."""
        done = self.latest is not None and self.latest.status in SUCCEEDED
        broken = any(component.is_bad for component in self.components)
        return done and self.is_healthy and not broken

    def to_json(self) -> dict[str, Any]:
        """Return everything, for scripts."""
        return {
            "coreName": self.core_name,
            "greengrassVersion": self.generation,
            "status": self.device,
            "nucleus": self.nucleus,
            "seen": str(self.seen),
            "good": self.is_good,
            "components": [vars(component) for component in self.components],
            "deployments": [{**vars(d), "at": str(d.at)} for d in self.deployments],
        }
