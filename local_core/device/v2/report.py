"""What a V2 core reports to the cloud, in the words of the V2 API.

https://docs.aws.amazon.com/greengrass/v2/developerguide/device-status.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...nucleus.core import NUCLEUS_VERSION, CoreIdentity
from ...nucleus.lifecycle import State
from .deployment import V2Deployment

_STATES = {
    State.NEW: "NEW",
    State.RUNNING: "RUNNING",
    State.ERRORED: "ERRORED",
    State.BROKEN: "BROKEN",
    State.FINISHED: "FINISHED",
    State.STOPPED: "INSTALLED",
}
_MOST_CHARACTERS = 1_000


def core_report(
    identity: CoreIdentity, deployed: V2Deployment | None, states: Mapping[str, State]
) -> dict[str, Any]:
    """Return the report of a core on which ``deployed`` is; ``states`` are its components'."""
    versions = deployed.versions if deployed else {}
    built_in = deployed.built_in if deployed else {}
    unhealthy = State.BROKEN in [states.get(name) for name in versions]
    return {
        "status": "UNHEALTHY" if unhealthy else "HEALTHY",
        "coreVersion": NUCLEUS_VERSION,
        "platform": "linux",
        "architecture": identity.platform["architecture"],
        "runtime": identity.platform.get("runtime", "aws_nucleus_classic"),
        "components": [
            *(_component(n, v, _STATES[states.get(n, State.NEW)]) for n, v in versions.items()),
            *(_component(n, v, "RUNNING", root=False) for n, v in built_in.items()),
        ],
    }


def deployment_report(order: Mapping[str, Any], status: str, reason: str) -> dict[str, Any]:
    """Return the report on a deployment, which ``order`` is as GetDeployment returns it."""
    return {
        "deploymentId": order["deploymentId"],
        "deploymentName": order.get("deploymentName") or order["deploymentId"],
        "targetArn": order["targetArn"],
        "coreDeviceExecutionStatus": status,
        "reason": reason[:_MOST_CHARACTERS],
    }


def _component(name: str, version: str, state: str, *, root: bool = True) -> dict[str, Any]:
    return {
        "componentName": name,
        "componentVersion": version,
        "lifecycleState": state,
        "isRoot": root,
    }
