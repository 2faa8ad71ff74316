"""Membership of a thing in a thing group, for which CloudFormation has no resource type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError


def join(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Put the thing ``ThingName`` into the group ``ThingGroupName``; harmless if it is in already.

    The physical id names both, so that another thing or group replaces the membership.
    https://docs.aws.amazon.com/iot/latest/apireference/API_AddThingToThingGroup.html
    """
    thing, group = properties["ThingName"], properties["ThingGroupName"]
    boto3.client("iot").add_thing_to_thing_group(thingName=thing, thingGroupName=group)
    return f"{group}/{thing}", {}


def leave(properties: Mapping[str, Any]) -> None:
    """Take the thing out of the group; one that is gone is out of it.

    https://docs.aws.amazon.com/iot/latest/apireference/API_RemoveThingFromThingGroup.html
    """
    try:
        boto3.client("iot").remove_thing_from_thing_group(
            thingName=properties["ThingName"], thingGroupName=properties["ThingGroupName"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
