"""Custom resource that refuses a deployment by which cores would lose components of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3

from .rollback import is_rolling_back


class LostComponentsError(RuntimeError):
    """Components that cores would lose; the stack's events show the message."""


def check(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Compare the latest deployment to ``TargetArn`` with ``Components``, those of the next one.

    Components that the stack itself deployed before may go: whoever took them out of the context
    wants that. ``MayDrop`` lets all go. A rollback is never refused: it returns to the deployment
    that was there, and the stack could not be updated again.
    https://docs.aws.amazon.com/greengrass/v2/APIReference/API_ListDeployments.html

    Raises:
        LostComponentsError: naming the others that are not in the next deployment.
    """
    target = properties["TargetArn"]
    if properties["MayDrop"] != "true":
        own = (properties.get("OldResourceProperties") or {}).get("Components") or ()
        latest = _latest(target)
        lost = latest.keys() - set(properties["Components"]) - set(own)
        if lost and not is_rolling_back(properties["StackId"]):
            named = ",".join(f"{name}={latest[name]}" for name in sorted(lost))
            raise LostComponentsError(
                f"cores of {target.rpartition('/')[2]} would lose {', '.join(sorted(lost))}, which "
                f"somebody else deployed: keep them with -c components={named}, or let them go "
                "with -c dropComponents=true"
            )
    return str(target), {}


def _latest(target: str) -> dict[str, str]:
    """Return the versions of the components that the latest active deployment names."""
    greengrass = boto3.client("greengrassv2")
    listed = greengrass.list_deployments(targetArn=target, historyFilter="LATEST_ONLY")
    for item in listed.get("deployments", ()):
        if item.get("deploymentStatus") in ("ACTIVE", "COMPLETED"):
            found = greengrass.get_deployment(deploymentId=item["deploymentId"])
            components = found.get("components") or {}
            return {name: one.get("componentVersion", "") for name, one in components.items()}
    return {}
