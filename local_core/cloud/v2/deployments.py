"""The deployments of Greengrass V2: one per target; a new one replaces the old one.

https://docs.aws.amazon.com/greengrass/v2/developerguide/manage-deployments.html
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..api.errors import ApiError

ENDED = ("CANCELED", "FAILED", "INACTIVE")


@dataclass(frozen=True)
class Deployment:
    """What one target is to run. ``status`` is the service's, not a core's."""

    id: str
    revision: str
    job_id: str
    target_arn: str
    request: Mapping[str, Any]
    created: float
    status: str = "ACTIVE"


class DeploymentStore:
    """Every deployment, in the order of creation."""

    def __init__(self) -> None:
        self._deployments: dict[str, Deployment] = {}
        self._revisions: dict[str, int] = {}

    def create(self, request: Mapping[str, Any], check: Callable[[Deployment], None]) -> Deployment:
        """Deploy to a target; what was deployed to it before becomes inactive.

        ``check`` raises ApiError for a deployment that must not be; then nothing has changed.
        """
        target = request["targetArn"]
        previous = self.latest(target)
        revision = self._revisions.get(target, 0) + 1
        deployment = Deployment(
            id=str(uuid.uuid4()),
            revision=str(revision),
            job_id=str(uuid.uuid4()),
            target_arn=target,
            request=request,
            created=time.time(),
        )
        check(deployment)
        if previous is not None:
            self.set_status(previous.id, "INACTIVE")
        self._revisions[target] = revision
        self._deployments[deployment.id] = deployment
        return deployment

    def set_status(self, identity: str, status: str) -> None:
        """Set a deployment's status, unless it has ended."""
        deployment = self.get(identity)
        if deployment.status not in ENDED:
            self._deployments[identity] = replace(deployment, status=status)

    def cancel(self, identity: str) -> Deployment:
        """Mark a deployment as cancelled, and return it.

        Raises:
            ApiError: if there is none, or it has ended.
        """
        deployment = self.get(identity)
        if deployment.status in ENDED:
            reason = f"Deployment {identity} has the status {deployment.status}"
            raise ApiError("ConflictException", reason, 409)
        self.set_status(identity, "CANCELED")
        return deployment

    def delete(self, identity: str) -> Deployment:
        """Forget a deployment, and return it; cores keep running what they run.

        Raises:
            ApiError: if there is none, or it is active.
        """
        if self.get(identity).status == "ACTIVE":
            reason = f"Deployment {identity} is active: cancel it first"
            raise ApiError("ConflictException", reason, 409)
        return self._deployments.pop(identity)

    def get(self, identity: str) -> Deployment:
        """Return a deployment.

        Raises:
            ApiError: if there is none of this id.
        """
        try:
            return self._deployments[identity]
        except KeyError:
            reason = f"Deployment {identity} does not exist"
            raise ApiError("ResourceNotFoundException", reason, 404) from None

    def latest(self, target: str) -> Deployment | None:
        """Return the newest deployment to a target, if there is one."""
        return next((d for d in self.all() if d.target_arn == target), None)

    def all(self) -> list[Deployment]:
        """Return every deployment, the newest first."""
        return list(reversed(self._deployments.values()))


def configuration_faults(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the configuration updates in a request for a deployment.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/update-component-configurations.html
    """
    for name, component in (request.get("components") or {}).items():
        update = component.get("configurationUpdate") or {}
        try:
            merge = json.loads(update.get("merge") or "{}")
        except ValueError as error:
            yield f"{name}: the merge configuration is not JSON: {error}"
        else:
            if not isinstance(merge, dict):
                yield f"{name}: the merge configuration is not a JSON object"
        for pointer in update.get("reset") or []:
            if pointer and not pointer.startswith("/"):
                yield f"{name}: the reset path {pointer!r} is not a JSON pointer"
