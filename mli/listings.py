"""Lists of AWS's APIs, read to their ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def listed(client: Any, operation: str, key: str, **request: Any) -> list[Any]:
    """Return what all pages of an operation have under ``key``."""
    pages = client.get_paginator(operation).paginate(**request)
    return [item for page in pages for item in page.get(key) or ()]


def principals(iot: Any, thing_name: str) -> Sequence[str]:
    """Return the ARNs of all certificates that a thing has."""
    return listed(iot, "list_thing_principals", "principals", thingName=thing_name)


def thing_groups(iot: Any, thing_name: str) -> list[str]:
    """Return the names of all groups that a thing is in."""
    found = listed(iot, "list_thing_groups_for_thing", "thingGroups", thingName=thing_name)
    return [str(group["groupName"]) for group in found]


def members_of(iot: Any, group: str) -> list[str]:
    """Return the things of a thing group."""
    return listed(
        iot,
        "list_things_in_thing_group",
        "things",
        thingGroupName=group,
        PaginationConfig={"PageSize": 250},
    )
