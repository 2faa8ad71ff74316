"""The tags of what is created by API calls: those of the fleet's stack, and two of this project.

Of what a core has in AWS IoT only a policy can be tagged: things and certificates take none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacks import names

from ..aws import Clients

FLEET = "mli:fleet"
ORIGIN = "mli:origin"
IMPORTED = "imported"
"""The origin of a core whose thing and certificate existed before it joined the fleet."""
ROTATED = "mli:rotated"
"""The ids of the certificates that ``mli fleet rotate`` has created for such a core."""
_MOST_ROTATED = 3
"""The ids that fit into the value of a tag, of 256 characters."""
_RESERVED = "aws:"


def stack_tags(clients: Clients, fleet_name: str) -> dict[str, str]:
    """Return the tags of a fleet's stack, and the tag that names the fleet."""
    stack = names.fleet_stack_name(fleet_name)
    found = clients("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    tags = {str(one["Key"]): str(one["Value"]) for one in found.get("Tags") or ()}
    own = {key: value for key, value in tags.items() if not key.startswith(_RESERVED)}
    return {**own, FLEET: fleet_name}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def rotated(tags: Mapping[str, str], *more: str) -> dict[str, str]:
    """Return the tag that names the certificates of rotations, the newest last, with ``more``."""
    known = [one for one in tags.get(ROTATED, "").split() if one not in more]
    return {ROTATED: " ".join([*known, *more][-_MOST_ROTATED:])}


def tags_of(iot: Any, arn: str) -> dict[str, str]:
    """Return the tags of a policy."""
    pages = iot.get_paginator("list_tags_for_resource").paginate(resourceArn=arn)
    return {
        str(tag["Key"]): str(tag.get("Value", "")) for page in pages for tag in page["tags"] or ()
    }
