"""Whether a core is there and sees: judged by its newest telemetry, not by what it last was."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from inference.schema import ConfigurationError
from inference.settings import InferenceSettings
from inference.sources.status import STOPPED

from ...aws import Clients, error_code, explain
from ..generations.v2.deployments import latest_deployment
from ..stacks.core import CoreStack
from .last_telemetry import TABLE_OUTPUT, LastTelemetry, read_one

_SKEW_SECONDS = 300.0
_MOST_CAMERAS = 16
_UNASKED = datetime.fromtimestamp(0, UTC)


class Health(enum.Enum):
    """What telemetry says about a core, the worst first."""

    UNKNOWN = "unknown"
    """Nobody knows: the table is not there, or may not be read."""
    NEVER = "never heard"
    """It has sent no telemetry since there is a table."""
    SILENT = "silent"
    """Its newest telemetry is older than three intervals."""
    DARK = "no camera"
    """It sends telemetry, and a camera of it has no frames."""
    DEGRADED = "degraded"
    """It sends telemetry, and something else is missing."""
    OK = "ok"


def health_of(telemetry: LastTelemetry | None, now: datetime) -> Health:
    """Return what a core's newest telemetry says at the time ``now``."""
    if telemetry is None:
        return Health.NEVER
    if telemetry.is_old(now):
        return Health.SILENT
    if telemetry.dark_cameras:
        return Health.DARK
    return Health.OK if telemetry.health == "ok" else Health.DEGRADED


@dataclass(frozen=True)
class Liveness:
    """A core's newest telemetry, what it means now, and the digest of the deployed settings.

    The digest is None if the latest deployment is without the component, and "" if it is not known.
    ``reason`` says why the health is not known.
    """

    health: Health
    telemetry: LastTelemetry | None = None
    now: datetime = _UNASKED
    deployed: str | None = ""
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the core was heard lately, and lacks nothing."""
        return self.health is Health.OK

    def to_json(self) -> dict[str, Any]:
        """Return everything, for scripts."""
        telemetry = self.telemetry
        return {
            "status": self.health.value,
            "reason": self.reason,
            "ageSeconds": round(telemetry.age(self.now), 1) if telemetry else None,
            "configurationDeployed": self.deployed,
            "telemetry": telemetry.to_json() if telemetry else None,
        }

    def lines(self) -> list[str]:
        """Return what a person reads about the newest telemetry."""
        if self.health is Health.UNKNOWN:
            return [f"  last heard: unknown: {self.reason}"]
        if self.telemetry is None:
            return ["  last heard: never, since its stack keeps telemetry"]
        telemetry = self.telemetry
        return [
            f"  last heard: {_heard(telemetry, self.now, self.health)}",
            f"  runs: {_runs(telemetry)}",
            *(
                f"  camera {one.name}: {one.state}" + (f": {one.reason}" if one.reason else "")
                for one in telemetry.cameras[:_MOST_CAMERAS]
            ),
            *(f"  fault: {fault}" for fault in telemetry.faults),
            f"  pace: {_pace(telemetry)}",
            f"  configuration: {_configuration(telemetry.configuration, self.deployed)}",
        ]

    def advice(self, core_name: str, service: str, log_command: str) -> str:
        """Return what helps, in one line that begins with "next:".

        ``service`` is the nucleus for systemd, and ``log_command`` shows the component's log.
        """
        if self.health is Health.UNKNOWN:
            return "next: fix that, then repeat the command"
        if self.deployed is None and not self.is_good:
            return "next: no deployment has the component any more: npx cdk deploy … brings it back"
        if self.health in (Health.NEVER, Health.SILENT):
            return (
                "next: is the device on, and does it have a network? If so, on the device: "
                f"sudo systemctl status {service}; {log_command}"
            )
        if self.health is Health.DARK:
            camera = self.telemetry.dark_cameras[0] if self.telemetry else None
            if camera and camera.state == STOPPED:  # nothing opens it again by itself
                return (
                    "next: was the component stopped, or the device switched off? On the device: "
                    f"sudo systemctl status {service}; {log_command}"
                )
            return (
                f"next: check {camera.name if camera else ''}, its power and its address; the core "
                "opens it again by itself (docs/troubleshooting.md)"
            )
        if self.health is Health.DEGRADED:
            return (
                "next: docs/troubleshooting.md, “Faults in telemetry”, says what to do; "
                f"on the device: {log_command}"
            )
        return f"next: mli watch {core_name}"


def liveness_of(clients: Clients, stack: CoreStack) -> Liveness:
    """Return what is known about a core of the second generation."""
    table = stack.outputs.get(TABLE_OUTPUT)
    if table is None:
        owner = f"fleetName={stack.fleet}" if stack.fleet else f"coreName={stack.core_name}"
        return Liveness(
            Health.UNKNOWN,
            reason="its stack does not keep telemetry, because another version of this project "
            f"deployed it: deploy it again (npx cdk deploy -c {owner} …)",
        )
    try:
        telemetry, now = read_one(clients, table, stack.core_name)
    except botocore.exceptions.ClientError as error:
        return Liveness(Health.UNKNOWN, reason=unreadable(error, table))
    digest = deployed_digest(clients, stack)
    return Liveness(health_of(telemetry, now), telemetry, now, digest)


def unreadable(error: botocore.exceptions.ClientError, table: str) -> str:
    """Return why the table of telemetry cannot be read, and what to do."""
    if error_code(error) == "ResourceNotFoundException":
        return f"the table {table} is gone: deploy the stack again (npx cdk deploy …)"
    return explain(error)


def deployed_digest(clients: Clients, stack: CoreStack) -> str | None:
    """Return the digest of the settings in the latest deployment to a core; "" if unknown.

    None if there is no deployment, or it is without the component.
    """
    found = latest_deployment(clients("greengrassv2"), stack.deployment_target)
    components = (found[1].get("components") or {}) if found else {}
    return digest_of(components[stack.component]) if stack.component in components else None


def digest_of(component: Mapping[str, Any]) -> str:
    """Return the digest of the settings that a deployment gives a component; "" if unknown."""
    merge = (component.get("configurationUpdate") or {}).get("merge") or "{}"
    try:
        settings = InferenceSettings.from_configuration({**json.loads(merge), "coreName": "any"})
    except (ConfigurationError, ValueError, TypeError):
        return ""
    return settings.digest()


def short_age(seconds: float) -> str:
    """Return an age as a person says it, such as ``12 s`` or ``3 d``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _heard(telemetry: LastTelemetry, now: datetime, health: Health) -> str:
    text = f"{short_age(telemetry.age(now))} ago"
    if health is Health.SILENT:
        text += f": SILENT, expected every {telemetry.interval:g} s"
    try:
        skew = (telemetry.received - datetime.fromisoformat(telemetry.written)).total_seconds()
    except (ValueError, TypeError):
        return text
    if abs(skew) > _SKEW_SECONDS:
        text += (
            f"; written {telemetry.written} by the core's clock: it waited there, or that is wrong"
        )
    return text


def _runs(telemetry: LastTelemetry) -> str:
    model = f", model {telemetry.model}" if telemetry.model else ""
    version = telemetry.version or "of an unknown version"
    return f"{telemetry.component or 'a component'} {version}{model}"


def _pace(telemetry: LastTelemetry) -> str:
    parts = [f"{telemetry.per_second:g} frames/s"] if telemetry.per_second is not None else []
    if telemetry.latency:
        parts.append(
            "inference " + ", ".join(f"{key} {one:g} ms" for key, one in telemetry.latency.items())
        )
    if telemetry.queued is not None:
        parts.append(f"{telemetry.queued} messages wait")
    return ", ".join(parts) or "unknown"


def _configuration(running: str, deployed: str | None) -> str:
    if not running:
        return "none in use"
    if not deployed:
        return running
    if running == deployed:
        return f"{running}, as deployed"
    return f"{running}; deployed is {deployed}, which it has not taken yet"
