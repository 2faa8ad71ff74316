"""What the cloud knows about a core: its components, its deployments, and why one failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUCCEEDED = ("SUCCEEDED", "COMPLETED", "Success")
FAILED = ("FAILED", "TIMED_OUT", "CANCELED", "REJECTED", "Failure")
AWS_PREFIX = "aws.greengrass."
"""How the names of AWS's own components begin."""
_BAD_STATES = ("BROKEN", "ERRORED")
_LITE = "aws_nucleus_lite"
_OUTCOMES = {
    "NO_STATE_CHANGE": "nothing has changed on the core",
    "ROLLBACK_COMPLETE": "the core has rolled back, and runs what it ran before",
    "UNABLE_TO_ROLLBACK": "the core could not roll back",
    "ROLLBACK_NOT_REQUESTED": "the core has not rolled back, and keeps what failed, with its "
    "settings, until the next deployment",
}
"""What the code in a failed deployment's reason means for the core:
https://docs.aws.amazon.com/greengrass/v2/developerguide/troubleshooting-deployment.html
"""
_LITE_OUTCOME = (
    "nucleus lite does not roll back: the core keeps what failed, with its settings, until the "
    "next deployment"
)


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

    @property
    def has_begun(self) -> bool:
        """Whether the core has taken it on: one for a core that is offline is queued."""
        return self.status != "QUEUED"


@dataclass(frozen=True)
class CoreState:
    """A core as it last reported; ``summary`` is what a person reads about the core as a whole.

    ``device``, ``nucleus``, ``runtime`` and ``seen`` are empty for a core that never reported them.
    """

    core_name: str
    generation: int
    summary: str = ""
    has_connected: bool = True
    is_healthy: bool = False
    device: str = ""
    nucleus: str = ""
    runtime: str = ""
    seen: datetime | str = ""
    components: tuple[Component, ...] = ()
    deployments: tuple[Deployment, ...] = ()

    @property
    def latest(self) -> Deployment | None:
        """The newest deployment that the core knows."""
        return self.deployments[0] if self.deployments else None

    @property
    def is_lite(self) -> bool:
        """Whether its nucleus is nucleus lite."""
        return self.runtime == _LITE

    @property
    def outcome(self) -> str:
        """What the core runs after its latest deployment failed; "" if it did not fail.

        The nuclei differ: only the classic one rolls back.
        """
        if self.latest is None or self.latest.status not in FAILED:
            return ""
        codes = [code for code in _OUTCOMES if code in self.latest.reason]
        known = [_OUTCOMES[code] for code in codes]
        if self.is_lite and codes in ([], ["ROLLBACK_NOT_REQUESTED"]):
            known = [_LITE_OUTCOME]
        own = [one for one in self.components if not one.name.startswith(AWS_PREFIX)]
        return "; ".join(known + [f"{one.name} {one.version} is {one.state}" for one in own])

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
            "runtime": self.runtime,
            "seen": str(self.seen),
            "good": self.is_good,
            "outcome": self.outcome,
            "components": [vars(component) for component in self.components],
            "deployments": [{**vars(d), "at": str(d.at)} for d in self.deployments],
        }
