"""Custom resource that refuses a deployment by which cores would lose what they need.

That is a component of somebody else, or the thing group by which they get deployments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3

from .fleet_members import members_of
from .rollback import is_rolling_back


class LostError(RuntimeError):
    """What cores would lose; the stack's events show the message."""


def check(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Compare the latest deployment to ``TargetArn`` with ``Components``, those of the next one.

    Components that the stack itself deployed before may go: whoever took them out of the context
    wants that. ``MayDrop`` lets all go. A thing group that was one of ``ThingGroups`` may go if it
    has no cores: when CloudFormation deletes it, the update is complete, and nothing stops it. A
    rollback is never refused: it returns to the deployment that was there, and the stack could not
    be updated again.
    https://docs.aws.amazon.com/greengrass/v2/APIReference/API_ListDeployments.html

    Raises:
        LostError: naming the others that are not in the next deployment, or cores of a group.
    """
    old = properties["OldResourceProperties"]
    reason = _lost_cores(properties, old) or _lost_components(properties, old)
    if reason and not is_rolling_back(properties["StackId"]):
        raise LostError(reason)
    return str(properties["TargetArn"]), {}


def _lost_cores(properties: Mapping[str, Any], old: Mapping[str, Any]) -> str:
    gone = set(old.get("ThingGroups", ())) - set(properties.get("ThingGroups", ()))
    for group in sorted(gone):
        members = members_of(group)
        if members:
            return (
                f"the thing group {group} would be deleted and still has {members}, which would "
                "get no deployments any more: return them first (mli fleet canary … --back)"
            )
    return ""


def _lost_components(properties: Mapping[str, Any], old: Mapping[str, Any]) -> str:
    if properties["MayDrop"] == "true":
        return ""
    target = properties["TargetArn"]
    latest = _latest(target)
    lost = latest.keys() - set(properties["Components"]) - set(old.get("Components", ()))
    if not lost:
        return ""
    named = ",".join(f"{name}={latest[name]}" for name in sorted(lost))
    return (
        f"cores of {target.rpartition('/')[2]} would lose {', '.join(sorted(lost))}, which "
        f"somebody else deployed: keep them with -c components={named}, or let them be removed "
        "with -c dropComponents=true"
    )


def _latest(target: str) -> dict[str, str]:
    """Return the versions of the components that the latest deployment names.

    One that was cancelled, as by its `abortCriteria`, has reached some cores. One that another had
    replaced is the latest only if that has been deleted, as with the stack of a fleet.
    """
    greengrass = boto3.client("greengrassv2")
    listed = greengrass.list_deployments(targetArn=target, historyFilter="LATEST_ONLY")
    for item in listed.get("deployments", ()):
        if item.get("deploymentStatus") != "INACTIVE":
            found = greengrass.get_deployment(deploymentId=item["deploymentId"])
            components = found.get("components") or {}
            return {name: one.get("componentVersion", "") for name, one in components.items()}
    return {}
