"""Custom resource that keeps a fleet's stack from being deleted while the fleet has cores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

_SHOWN = 3


class MembersError(RuntimeError):
    """A fleet that still has cores; the stack's events show the message."""


def note(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Do nothing: only the deletion looks at the group ``ThingGroupName``."""
    return str(properties["ThingGroupName"]), {}


def refuse_while_there_are_any(properties: Mapping[str, Any]) -> None:
    """Return if the thing group ``ThingGroupName`` is empty, or gone, and there are no claims.

    Claims are the certificates with the policy ``ClaimPolicyName``.
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingsInThingGroup.html
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListTargetsForPolicy.html

    Raises:
        MembersError: naming some of the things in the group, or counting the claims.
    """
    group = properties["ThingGroupName"]
    members = members_of(group)
    if members:
        raise MembersError(
            f"the fleet {group} still has {members}, which need this stack: "
            "remove them first (docs/fleet.md)"
        )
    policy = properties.get("ClaimPolicyName")  # a canary has none
    claims = _listed("list_targets_for_policy", "targets", policyName=policy) if policy else []
    if claims:
        raise MembersError(
            f"the fleet {group} still has {len(claims)} claim certificates, with which devices "
            f"join it: end them first (mli fleet claim {group} --end)"
        )


def members_of(group: str) -> str:
    """Return how many cores a thing group has, with some of their things; empty for none."""
    things = _listed("list_things_in_thing_group", "things", thingGroupName=group)
    shown = ", ".join(things[:_SHOWN]) + (", …" if len(things) > _SHOWN else "")
    return f"{len(things)} cores ({shown})" if things else ""


def _listed(operation: str, key: str, **request: str) -> list[str]:
    pages = boto3.client("iot").get_paginator(operation).paginate(**request)
    try:
        return [item for page in pages for item in page[key]]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []
