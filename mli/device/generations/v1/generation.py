"""A V1 core: a Greengrass group with its versions and deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....aws import Clients
from ....errors import MliError, one_line
from ...stacks.core import CoreStack
from ...stacks.outputs import parsed
from ..core_state import CoreState, Deployment
from ..interface import Order
from ..layout import Layout, Nucleus
from .layout import v1_layout

_GROUP_ID = "GreengrassGroupID"
_COMMAND = "CommandToDeployGroup"
_MOST_DEPLOYMENTS = 5


class V1Generation:
    """The groups of AWS IoT Greengrass V1. The cloud knows nothing of their single functions."""

    def matches(self, stack: CoreStack) -> bool:
        """Return whether a stack has a group."""
        return _GROUP_ID in stack.outputs

    def layout(self, stack: CoreStack, nucleus: Nucleus) -> Layout:
        """Return where the files of the core go; V1 has no nucleus to choose.

        Raises:
            MliError: if another nucleus than the default one was chosen.
        """
        if nucleus != "classic":
            raise MliError(
                f"{stack.core_name} is a core of Greengrass V1: remove --nucleus {nucleus}"
            )
        return v1_layout(stack.configuration())

    def state(self, clients: Clients, stack: CoreStack) -> CoreState:
        """Return the deployments of the group, newest first."""
        greengrass, group_id = clients("greengrass"), stack.output(_GROUP_ID)
        newest = _newest_first(greengrass, group_id)
        return CoreState(
            core_name=stack.core_name,
            generation=1,
            summary=f"group {group_id} (Greengrass V1)",
            has_connected=True,
            is_healthy=True,
            deployments=tuple(
                _deployment(greengrass, group_id, item) for item in newest[:_MOST_DEPLOYMENTS]
            ),
        )

    def redeploy(self, clients: Clients, stack: CoreStack, *, again: bool) -> Order:
        """Deploy the stack's version of the group, as its output says.

        It need not be the group's latest: a rollback of the stack leaves the version of the failed
        update behind. A deployment from before this version is not one of it.
        """
        greengrass, group_id = clients("greengrass"), stack.output(_GROUP_ID)
        version = _version(stack.output(_COMMAND))
        latest = self.state(clients, stack).latest
        if not again and latest is not None and latest.is_under_way:
            found = greengrass.get_group_version(GroupId=group_id, GroupVersionId=version)
            if str(latest.at) >= found["CreationTimestamp"]:
                return Order(latest.id, False)
        created = greengrass.create_deployment(
            GroupId=group_id, GroupVersionId=version, DeploymentType="NewDeployment"
        )
        return Order(created["DeploymentId"], True)

    def progress(
        self, clients: Clients, stack: CoreStack, identity: str
    ) -> tuple[Deployment | None, bool]:
        """Return how a deployment goes; whether the core ever connected is not known.

        Raises:
            MliError: if there is a newer one, which the core carries out instead.
        """
        greengrass, group_id = clients("greengrass"), stack.output(_GROUP_ID)
        found = _deployment(greengrass, group_id, {"DeploymentId": identity})
        if found.is_under_way:
            newest = _newest_first(greengrass, group_id)[0]["DeploymentId"]
            if newest != identity:
                raise MliError(
                    f"the deployment {identity} is {found.status}, but another one replaced it; "
                    "repeat the command"
                )
        return found, True

    def log_commands(self, state: CoreState) -> tuple[str, ...]:
        """Return the command that shows the logs of the function and of the connectors."""
        # The Region and the account are parts of their paths, which only root may list.
        logs = "/greengrass/ggc/var/log/user/*/*/*.log"
        return (f"sudo sh -c 'tail -n 50 {logs}'    # on the core",)


def _newest_first(greengrass: Any, group_id: str) -> list[Mapping[str, Any]]:
    found = greengrass.list_deployments(GroupId=group_id).get("Deployments", [])
    return sorted(found, key=lambda item: str(item["CreatedAt"]), reverse=True)


def _version(command: str) -> str:
    """Return the version of the group that a stack's command deploys.

    Raises:
        MliError: if it is not what the stacks of this project write.
    """
    _, _, request = command.partition(" --cli-input-json ")
    version = parsed(request.strip("'"), _COMMAND).get("GroupVersionId")
    if not version:
        raise MliError(f"the output {_COMMAND} names no version of the group")
    return str(version)


def _deployment(greengrass: Any, group_id: str, item: Mapping[str, Any]) -> Deployment:
    found = greengrass.get_deployment_status(GroupId=group_id, DeploymentId=item["DeploymentId"])
    causes = [detail.get("DetailedErrorMessage", "") for detail in found.get("ErrorDetails") or ()]
    return Deployment(
        id=item["DeploymentId"],
        name=item.get("DeploymentType", ""),
        status=found["DeploymentStatus"],
        reason=one_line(" ".join([found.get("ErrorMessage") or "", *causes])),
        at=item.get("CreatedAt", ""),
    )
