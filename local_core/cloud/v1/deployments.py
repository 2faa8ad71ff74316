"""The deployments of Greengrass V1 groups.

https://docs.aws.amazon.com/greengrass/v1/developerguide/deployments.html
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from .. import location
from ..api.errors import ApiError
from ..api.timestamps import iso_now

RESETS = ("ResetDeployment", "ForceResetDeployment")
STATES = ("InProgress", "Success", "Failure")


@dataclass(frozen=True)
class GroupDeployment:
    """One deployment of a group version to the group's core, or a reset."""

    id: str
    group_id: str
    group_version: str | None
    kind: str
    created: str
    updated: str
    status: str
    error: str | None = None

    @property
    def arn(self) -> str:
        """The deployment's ARN."""
        return location.arn(
            "greengrass", f"/greengrass/groups/{self.group_id}/deployments/{self.id}"
        )


class GroupDeployments:
    """All deployments, in the order in which they were requested."""

    def __init__(self) -> None:
        self._deployments: list[GroupDeployment] = []

    def create(
        self, *, group_id: str, group_version: str | None, kind: str, refusal: str | None = None
    ) -> GroupDeployment:
        """Create a deployment; with a ``refusal`` it fails at once, as AWS fails it in the cloud.

        A forced reset needs no core: it has succeeded when it is created.
        """
        done = "Success" if kind == "ForceResetDeployment" else "InProgress"
        now = iso_now()
        deployment = GroupDeployment(
            id=str(uuid.uuid4()),
            group_id=group_id,
            group_version=group_version,
            kind=kind,
            created=now,
            updated=now,
            status="Failure" if refusal else done,
            error=refusal,
        )
        self._deployments.append(deployment)
        return deployment

    def report(self, group_id: str, identity: str, status: str, error: str | None) -> None:
        """Record a core's verdict on a deployment."""
        if status not in STATES:
            reason = f"the status is {status!r}, not one of {', '.join(STATES)}"
            raise ApiError("BadRequestException", reason)
        old = self.get(group_id, identity)
        new = replace(old, status=status, error=error, updated=iso_now())
        self._deployments[self._deployments.index(old)] = new

    def get(self, group_id: str, identity: str) -> GroupDeployment:
        """Return a deployment of a group.

        Raises:
            ApiError: if there is none of this id.
        """
        for deployment in self.of_group(group_id):
            if deployment.id == identity:
                return deployment
        reason = f"Deployment {identity} does not exist in the group {group_id}"
        raise ApiError("BadRequestException", reason, 404)

    def of_group(self, group_id: str) -> list[GroupDeployment]:
        """Return a group's deployments, the oldest first."""
        return [d for d in self._deployments if d.group_id == group_id]

    def is_deployed(self, group_id: str) -> bool:
        """Return whether a core may still run the group: deployed, and not reset since.

        A reset that waits for its core, or failed, has not yet removed the group from it.
        """
        for deployment in reversed(self.of_group(group_id)):
            if deployment.kind not in RESETS:
                return True
            if deployment.status == "Success":
                return False
        return False

    def forget_group(self, group_id: str) -> None:
        """Drop a deleted group's deployments."""
        self._deployments = [d for d in self._deployments if d.group_id != group_id]
