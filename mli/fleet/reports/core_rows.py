"""What is known about each core of a fleet, from a few calls for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from stacks import names

from ...aws import Clients
from ...device.deployments.rollout import job_progress
from ...device.generations.core_state import FAILED
from ...device.generations.v2.deployments import latest_deployment
from ...device.reports.last_telemetry import TABLE_OUTPUT, LastTelemetry, read_all
from ...device.reports.liveness import Health, digest_of, health_of
from ...device.stacks.fleet import FleetStack
from ...device.stacks.outputs import output_of
from ...listings import listed, members_of

_UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True)
class CoreRow:
    """A core of a fleet: its newest telemetry, and what Greengrass and AWS IoT say of it.

    ``deployment`` is how far it is with the fleet's latest deployment, ``device`` the status that
    its nucleus reported last, and ``age`` the seconds since its newest telemetry, or None.
    """

    name: str
    health: Health
    telemetry: LastTelemetry | None
    age: float | None
    deployment: str
    device: str

    @property
    def is_good(self) -> bool:
        """Whether it was heard lately, lacks nothing, and has not failed to deploy."""
        is_deployed = self.deployment not in FAILED
        return self.health is Health.OK and self.device != _UNHEALTHY and is_deployed

    @property
    def condition(self) -> str:
        """What a person should know first."""
        if self.health in (Health.NEVER, Health.SILENT):
            return str(self.health.value)
        if self.telemetry is not None and self.telemetry.faults:
            return self.telemetry.faults[0].partition(":")[0]
        if self.health is Health.OK and self.device == _UNHEALTHY:
            return "unhealthy"
        if self.health is Health.OK and self.deployment in FAILED:
            return "deployment failed"
        return str(self.health.value)

    def to_json(self) -> dict[str, Any]:
        """Return everything, for scripts."""
        return {
            "core": self.name,
            "good": self.is_good,
            "health": self.health.value,
            "condition": self.condition,
            "ageSeconds": None if self.age is None else round(self.age, 1),
            "deployment": self.deployment,
            "device": self.device,
            "telemetry": self.telemetry.to_json() if self.telemetry else None,
        }


@dataclass(frozen=True)
class FleetReport:
    """The cores of a fleet by their names, and the component and settings that are deployed."""

    rows: tuple[CoreRow, ...]
    version: str
    configuration: str

    @property
    def bad(self) -> tuple[CoreRow, ...]:
        """The cores that need somebody."""
        return tuple(row for row in self.rows if not row.is_good)


def report_of(clients: Clients, fleet: FleetStack) -> FleetReport:
    """Ask about all cores of a fleet: one scan, and one call of each kind per page.

    The members of the thing group are its cores: also those that never sent any telemetry.

    Raises:
        MliError: if the fleet's stack keeps no telemetry.
        ClientError: if one of the calls is refused.
    """
    table = output_of(fleet.outputs, TABLE_OUTPUT, names.fleet_stack_name(fleet.name))
    newest, now = read_all(clients, table)
    groups = [_group(clients, arn) for arn in (fleet.canary_arn, fleet.group_arn) if arn]
    content = groups[-1].deployment
    component = (content.get("components") or {}).get(names.fleet_component_name(fleet.name)) or {}
    rows = []
    group_of = {thing: group for group in groups for thing in group.members}
    for thing, group in sorted(group_of.items(), key=itemgetter(0)):
        name = names.core_of_thing(thing) or thing
        telemetry = newest.get(name)
        rows.append(
            CoreRow(
                name,
                health_of(telemetry, now),
                telemetry,
                telemetry.age(now) if telemetry else None,
                group.progress.get(thing, ""),
                group.devices.get(thing, ""),
            )
        )
    version = str(component.get("componentVersion", ""))
    return FleetReport(tuple(rows), version, digest_of(component) if component else "")


@dataclass(frozen=True)
class _Group:
    """One thing group of a fleet: its things, and the deployment that they get."""

    members: Sequence[str]
    deployment: Mapping[str, Any]
    progress: Mapping[str, str]
    devices: Mapping[str, str]


def _group(clients: Clients, arn: str) -> _Group:
    greengrass, name = clients("greengrassv2"), arn.rpartition("/")[2]
    latest = latest_deployment(greengrass, arn)
    content = latest[1] if latest else {}
    return _Group(
        members=members_of(clients("iot"), name),
        deployment=content,
        progress=job_progress(clients, str(content.get("iotJobId") or "")),
        devices={
            one["coreDeviceThingName"]: str(one.get("status", ""))
            for one in listed(
                greengrass,
                "list_core_devices",
                "coreDevices",
                thingGroupArn=arn,
                PaginationConfig={"PageSize": 100},
            )
        },
    )
