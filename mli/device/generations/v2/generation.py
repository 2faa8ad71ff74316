"""A V2 core: a thing with components, and the deployments to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacks import names

from ....aws import Clients
from ....errors import MliError, one_line
from ....listings import listed
from ...stacks.core import CoreStack
from ..core_state import AWS_PREFIX, Component, CoreState, Deployment
from ..interface import Order
from ..layout import Layout, Nucleus
from .deployments import latest_deployment, repeat
from .layout import v2_layout


class V2Generation:
    """The core devices of AWS IoT Greengrass V2, with the classic nucleus or nucleus lite."""

    def matches(self, stack: CoreStack) -> bool:
        """Return True: a stack that is of no other generation is of this one."""
        return True

    def layout(self, stack: CoreStack, nucleus: Nucleus) -> Layout:
        """Return where the files of the core go under a nucleus."""
        return v2_layout(stack.configuration(), nucleus)

    def state(self, clients: Clients, stack: CoreStack) -> CoreState:
        """Return what the core reported; one that never connected has no state, and no error."""
        greengrass, thing_name = clients("greengrassv2"), stack.thing_name
        try:
            device = greengrass.get_core_device(coreDeviceThingName=thing_name)
        except greengrass.exceptions.ResourceNotFoundException:
            return CoreState(stack.core_name, generation=2, has_connected=False)
        installed = listed(
            greengrass,
            "list_installed_components",
            "installedComponents",
            coreDeviceThingName=thing_name,
            topologyFilter="ALL",
        )
        effective = listed(
            greengrass,
            "list_effective_deployments",
            "effectiveDeployments",
            coreDeviceThingName=thing_name,
        )
        status, nucleus = device.get("status", ""), device.get("coreVersion", "")
        seen = device.get("lastStatusUpdateTimestamp", "")
        deployments = sorted(map(_deployment, effective), key=lambda d: str(d.at), reverse=True)
        return CoreState(
            core_name=stack.core_name,
            generation=2,
            summary=f"{status}, nucleus {nucleus}, last seen {seen}",
            has_connected=bool(status),
            is_healthy=status == "HEALTHY",
            device=status,
            nucleus=nucleus,
            runtime=device.get("runtime", ""),
            seen=seen,
            components=tuple(map(_component, installed)),
            deployments=tuple(deployments),
        )

    def redeploy(self, clients: Clients, stack: CoreStack, *, again: bool) -> Order:
        """Create a deployment with the content of the latest one."""
        greengrass = clients("greengrassv2")
        found = latest_deployment(greengrass, stack.deployment_target)
        if found is None:
            raise MliError(
                f"{stack.core_name} has no deployment to repeat: "
                "deploy its stack (npx cdk deploy …)"
            )
        latest, content = found
        if not again and content["deploymentStatus"] == "ACTIVE":
            known = _of_id(self.state(clients, stack), latest)
            if known is None or known.is_under_way:
                return Order(latest, False)
        return Order(repeat(greengrass, content), True)

    def progress(
        self, clients: Clients, stack: CoreStack, identity: str
    ) -> tuple[Deployment | None, bool]:
        """Return how a deployment goes on the core; one that was replaced is an error."""
        state = self.state(clients, stack)
        found = _of_id(state, identity)
        if found is None or found.is_under_way:
            cloud = clients("greengrassv2").get_deployment(deploymentId=identity)
            if cloud["deploymentStatus"] in ("CANCELED", "INACTIVE"):
                raise MliError(
                    f"the deployment {identity} is {cloud['deploymentStatus']}: another one "
                    "replaced it, or someone cancelled it; repeat the command"
                )
        return found, state.has_connected

    def log_commands(self, state: CoreState) -> tuple[str, ...]:
        """Return the command that shows the component's log."""
        own = [one.name for one in state.components if not one.name.startswith(AWS_PREFIX)]
        component = own[0] if len(own) == 1 else names.component_name(state.core_name)
        if state.is_lite:
            return (f"sudo journalctl -n 50 -u 'ggl.{component}*'    # on the core",)
        return (f"sudo tail -50 /greengrass/v2/logs/{component}.log    # on the core",)


def _of_id(state: CoreState, identity: str) -> Deployment | None:
    return next((one for one in state.deployments if one.id == identity), None)


def _deployment(item: Mapping[str, Any]) -> Deployment:
    details = item.get("statusDetails") or {}
    stack = " / ".join(details.get("errorStack") or ())
    return Deployment(
        id=item["deploymentId"],
        name=item.get("deploymentName", ""),
        status=item["coreDeviceExecutionStatus"],
        reason=one_line(" ".join(filter(None, (item.get("reason"), stack)))),
        at=item.get("creationTimestamp", ""),
    )


def _component(item: Mapping[str, Any]) -> Component:
    parts = [item.get("lifecycleStateDetails") or "", *(item.get("lifecycleStatusCodes") or ())]
    return Component(
        item["componentName"],
        item["componentVersion"],
        item.get("lifecycleState", ""),
        one_line(" ".join(parts)),
    )
