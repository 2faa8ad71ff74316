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
    """Return if the thing group ``ThingGroupName`` is empty, or gone.

    https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingsInThingGroup.html

    Raises:
        MembersError: naming some of the things that are in it.
    """
    group = properties["ThingGroupName"]
    pages = boto3.client("iot").get_paginator("list_things_in_thing_group")
    try:
        things = [
            thing for page in pages.paginate(thingGroupName=group) for thing in page["things"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return
    if things:
        shown = ", ".join(things[:_SHOWN]) + (", …" if len(things) > _SHOWN else "")
        raise MembersError(
            f"the fleet {group} still has {len(things)} cores ({shown}), which need this stack: "
            "remove them first (docs/fleet.md)"
        )
