"""Deployments to a thing or a thing group: the latest one, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REPEATED = (
    "targetArn",
    "deploymentName",
    "components",
    "iotJobConfiguration",
    "deploymentPolicies",
    "parentTargetArn",
    "tags",
)
"""What of a deployment a request can repeat; the service sets the rest itself."""


def latest_deployment(greengrass: Any, target: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return id and content of the latest deployment to a thing or thing group, if there is one.

    A stack that is updated or rolled back deletes one, also between the two requests.
    """
    asked: list[str] = []
    while True:
        found = greengrass.list_deployments(targetArn=target, historyFilter="LATEST_ONLY")
        if not found.get("deployments"):
            return None
        identity = str(found["deployments"][0]["deploymentId"])
        try:
            return identity, greengrass.get_deployment(deploymentId=identity)
        except greengrass.exceptions.ResourceNotFoundException:
            if identity in asked:
                raise
            asked.append(identity)


def repeat(greengrass: Any, content: Mapping[str, Any]) -> str:
    """Create a deployment with the content of another one; return its id."""
    request = {key: content[key] for key in _REPEATED if content.get(key)}
    return str(greengrass.create_deployment(**request)["deploymentId"])
