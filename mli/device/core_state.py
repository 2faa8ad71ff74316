"""What the cloud knows of a core: its components, its deployments, and why one failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..cli.output import one_line
from .core_stack import Clients, CoreStack

SUCCEEDED = ("SUCCEEDED", "COMPLETED", "Success")
FAILED = ("FAILED", "TIMED_OUT", "CANCELED", "REJECTED", "Failure")
_BAD_STATES = ("BROKEN", "ERRORED")


@dataclass(frozen=True)
class Component:
    """One component on a core; ``detail`` is what the nucleus says of its state."""

    name: str
    version: str
    state: str
    detail: str

    @property
    def is_bad(self) -> bool:
        """Whether it does not do its work."""
        return self.state in _BAD_STATES


@dataclass(frozen=True)
class Deployment:
    """How one deployment went on this core; ``reason`` is the core's own word, in one line."""

    id: str
    name: str
    status: str
    reason: str
    at: datetime | str

    @property
    def is_under_way(self) -> bool:
        """Whether the core has still to say how it went."""
        return self.status not in SUCCEEDED + FAILED


@dataclass(frozen=True)
class CoreState:
    """A core as it last reported. ``device`` is empty when it never has."""

    core_name: str
    generation: int
    device: str
    nucleus: str
    seen: datetime | str
    components: tuple[Component, ...]
    deployments: tuple[Deployment, ...]

    @property
    def latest(self) -> Deployment | None:
        """The newest deployment that the core knows."""
        return self.deployments[0] if self.deployments else None

    @property
    def is_good(self) -> bool:
        """Whether it runs what it was last told to run."""
        done = self.latest is not None and self.latest.status in SUCCEEDED
        is_well = self.generation == 1 or self.device == "HEALTHY"
        return done and is_well and not any(component.is_bad for component in self.components)

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


def read_state(clients: Clients, stack: CoreStack) -> CoreState:
    """Ask the cloud what the core last reported."""
    if stack.generation == 1:
        return _v1_state(clients("greengrass"), stack)
    return v2_state(clients("greengrassv2"), stack.core_name, stack.thing_name)


def v2_state(greengrass: Any, core_name: str, thing_name: str) -> CoreState:
    """Return the state of a V2 core; one that never connected has none, which is no error."""
    try:
        device = greengrass.get_core_device(coreDeviceThingName=thing_name)
    except greengrass.exceptions.ResourceNotFoundException:
        return CoreState(core_name, 2, "", "", "", (), ())
    installed = _pages(
        greengrass,
        "list_installed_components",
        "installedComponents",
        coreDeviceThingName=thing_name,
        topologyFilter="ALL",
    )
    effective = _pages(
        greengrass,
        "list_effective_deployments",
        "effectiveDeployments",
        coreDeviceThingName=thing_name,
    )
    deployments = [_v2_deployment(item) for item in effective]
    return CoreState(
        core_name=core_name,
        generation=2,
        device=device.get("status", ""),
        nucleus=device.get("coreVersion", ""),
        seen=device.get("lastStatusUpdateTimestamp", ""),
        components=tuple(
            Component(
                item["componentName"],
                item["componentVersion"],
                item.get("lifecycleState", ""),
                _detail(item),
            )
            for item in installed
        ),
        deployments=tuple(sorted(deployments, key=lambda d: str(d.at), reverse=True)),
    )


def _v2_deployment(item: Mapping[str, Any]) -> Deployment:
    details = item.get("statusDetails") or {}
    stack = " / ".join(details.get("errorStack") or ())
    return Deployment(
        id=item["deploymentId"],
        name=item.get("deploymentName", ""),
        status=item["coreDeviceExecutionStatus"],
        reason=one_line(" ".join(filter(None, (item.get("reason"), stack)))),
        at=item.get("creationTimestamp", ""),
    )


def _detail(item: Mapping[str, Any]) -> str:
    parts = [item.get("lifecycleStateDetails") or "", *(item.get("lifecycleStatusCodes") or ())]
    return one_line(" ".join(parts))


def _v1_state(greengrass: Any, stack: CoreStack) -> CoreState:
    """Return the state of a V1 group; the cloud knows nothing of its single functions."""
    found = greengrass.list_deployments(GroupId=stack.target).get("Deployments", [])
    newest = sorted(found, key=lambda item: str(item["CreatedAt"]), reverse=True)[:5]
    deployments = tuple(v1_deployment(greengrass, stack.target, item) for item in newest)
    return CoreState(stack.core_name, 1, "", "", "", (), deployments)


def v1_deployment(greengrass: Any, group_id: str, item: Mapping[str, Any]) -> Deployment:
    """Return how a group's deployment goes."""
    told = greengrass.get_deployment_status(GroupId=group_id, DeploymentId=item["DeploymentId"])
    causes = [detail.get("DetailedErrorMessage", "") for detail in told.get("ErrorDetails") or ()]
    return Deployment(
        id=item["DeploymentId"],
        name=item.get("DeploymentType", ""),
        status=told["DeploymentStatus"],
        reason=one_line(" ".join([told.get("ErrorMessage") or "", *causes])),
        at=item.get("CreatedAt", ""),
    )


def _pages(client: Any, operation: str, key: str, **request: Any) -> list[Mapping[str, Any]]:
    pages = client.get_paginator(operation).paginate(**request)
    return [item for page in pages for item in page.get(key, [])]
