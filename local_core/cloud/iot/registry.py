"""The part of AWS IoT that ministack lacks: role aliases, endpoints, and filters of thing groups.

https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .. import location
from ..api.errors import ApiError
from ..api.rest_api import Operation, Reply, Request, RestApi

_DEFAULT_SECONDS = 3_600


@dataclass(frozen=True)
class RoleAlias:
    """The name by which a device asks for a role's credentials."""

    name: str
    role_arn: str
    seconds: int
    created: float
    modified: float

    @property
    def arn(self) -> str:
        """The ARN of the alias."""
        return location.arn("iot", f"rolealias/{self.name}")


@dataclass(frozen=True)
class ThingGroup:
    """A thing group, and the name of the group that it was created below, if any."""

    name: str
    arn: str
    parent: str | None


class IotAdditions:
    """The role aliases, and the operations that the local cloud answers for AWS IoT itself.

    ``endpoints`` are addresses, host and port, by the types of DescribeEndpoint. ``thing_groups``
    returns those of the emulator, whose list has no filters.
    """

    def __init__(
        self, endpoints: Mapping[str, str], thing_groups: Callable[[], Sequence[ThingGroup]]
    ) -> None:
        self._endpoints = endpoints
        self._thing_groups = thing_groups
        self._aliases: dict[str, RoleAlias] = {}
        operations: dict[str, Operation] = {
            "CreateRoleAlias": self._create,
            "DeleteRoleAlias": self._delete,
            "DescribeEndpoint": self._describe_endpoint,
            "DescribeRoleAlias": self._describe,
            "ListRoleAliases": self._list,
            "ListThingGroups": self._list_thing_groups,
            "UpdateRoleAlias": self._update,
        }
        self.api = RestApi("iot", operations, fault_code="InvalidRequestException")

    def role_alias(self, name: str) -> RoleAlias:
        """Return an alias.

        Raises:
            ApiError: if there is none of this name.
        """
        try:
            return self._aliases[name]
        except KeyError:
            reason = f"Role alias {name} does not exist"
            raise ApiError("ResourceNotFoundException", reason, 404) from None

    def _create(self, request: Request) -> Reply:
        name = request["roleAlias"]
        if name in self._aliases:
            reason = f"Role alias {name} already exists"
            raise ApiError("ResourceAlreadyExistsException", reason, 409)
        now = time.time()
        alias = RoleAlias(
            name=name,
            role_arn=request["roleArn"],
            seconds=request.get("credentialDurationSeconds") or _DEFAULT_SECONDS,
            created=now,
            modified=now,
        )
        self._aliases[name] = alias
        return {"roleAlias": name, "roleAliasArn": alias.arn}

    def _update(self, request: Request) -> Reply:
        alias = self.role_alias(request["roleAlias"])
        alias = replace(
            alias,
            role_arn=request.get("roleArn") or alias.role_arn,
            seconds=request.get("credentialDurationSeconds") or alias.seconds,
            modified=time.time(),
        )
        self._aliases[alias.name] = alias
        return {"roleAlias": alias.name, "roleAliasArn": alias.arn}

    def _delete(self, request: Request) -> Reply:
        del self._aliases[self.role_alias(request["roleAlias"]).name]
        return {}

    def _describe(self, request: Request) -> Reply:
        alias = self.role_alias(request["roleAlias"])
        return {
            "roleAliasDescription": {
                "roleAlias": alias.name,
                "roleAliasArn": alias.arn,
                "roleArn": alias.role_arn,
                "owner": location.ACCOUNT,
                "credentialDurationSeconds": alias.seconds,
                "creationDate": alias.created,
                "lastModifiedDate": alias.modified,
            }
        }

    def _list(self, request: Request) -> Reply:
        return {"roleAliases": sorted(self._aliases)}

    def _list_thing_groups(self, request: Request) -> Reply:
        """Return the groups that pass the filters, in one page; children count unless refused."""
        groups = {one.name: one for one in self._thing_groups()}
        above, prefix = request.get("parentGroup"), request.get("namePrefixFilter") or ""
        is_deep = request.get("recursive", True)
        if above is not None and above not in groups:
            raise ApiError("ResourceNotFoundException", f"Thing group {above} does not exist", 404)

        def ancestors(group: ThingGroup) -> list[str]:
            return [group.parent, *ancestors(groups[group.parent])] if group.parent else []

        def is_wanted(group: ThingGroup) -> bool:
            if not is_deep:
                return group.parent == above
            return above is None or above in ancestors(group)

        found = [one for one in groups.values() if one.name.startswith(prefix) and is_wanted(one)]
        return {"thingGroups": [{"groupName": one.name, "groupArn": one.arn} for one in found]}

    def _describe_endpoint(self, request: Request) -> Reply:
        kind = request.get("endpointType") or "iot:Data-ATS"
        if kind not in self._endpoints:
            known = ", ".join(self._endpoints)
            reason = f"endpointType {kind} is not supported; supported are {known}"
            raise ApiError("InvalidRequestException", reason)
        return {"endpointAddress": self._endpoints[kind]}
