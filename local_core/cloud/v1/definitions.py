"""The definitions of Greengrass V1: cores, functions, resources, connectors and so on.

https://docs.aws.amazon.com/greengrass/v1/apireference/definitions-creategroup.html
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import location
from ..api.errors import ApiError
from ..api.timestamps import iso_now

KINDS = ("Connector", "Core", "Device", "Function", "Logger", "Resource", "Subscription")
Content = Mapping[str, Any]
Check = Callable[[Content], Iterable[str]]


@dataclass(frozen=True)
class Version:
    """One immutable version of a definition or a group."""

    arn: str
    id: str
    version: str
    created: str
    content: Content

    def information(self) -> dict[str, str]:
        """Return what the service returns for every version."""
        return {
            "Arn": self.arn,
            "Id": self.id,
            "Version": self.version,
            "CreationTimestamp": self.created,
        }


@dataclass(frozen=True)
class Definition:
    """A named series of versions; the latest is last."""

    arn: str
    id: str
    name: str
    created: str
    updated: str
    versions: tuple[Version, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def information(self) -> dict[str, Any]:
        """Return what the service returns for every definition."""
        latest = self.versions[-1] if self.versions else None
        return {
            "Arn": self.arn,
            "Id": self.id,
            "Name": self.name,
            "CreationTimestamp": self.created,
            "LastUpdatedTimestamp": self.updated,
            "LatestVersion": latest.version if latest else None,
            "LatestVersionArn": latest.arn if latest else None,
            "tags": self.tags,
        }


class DefinitionStore:
    """All definitions of one kind; ``check`` yields what the service refuses in a version."""

    def __init__(self, *, path: str, what: str, check: Check) -> None:
        self._path = path
        self._what = what
        self._check = check
        self._definitions: dict[str, Definition] = {}

    def create(
        self, name: str, initial: Content | None = None, tags: Mapping[str, str] | None = None
    ) -> Definition:
        """Create a definition, with a first version if ``initial`` is given."""
        if initial is not None:
            self._refuse_faults(initial)
        now = iso_now()
        identity = str(uuid.uuid4())
        definition = Definition(
            arn=location.arn("greengrass", f"{self._path}/{identity}"),
            id=identity,
            name=name,
            created=now,
            updated=now,
            tags=dict(tags or {}),
        )
        self._definitions[identity] = definition
        if initial is not None:
            self.add_version(identity, initial)
        return self._definitions[identity]

    def add_version(self, identity: str, content: Content) -> Version:
        """Create the next version of a definition."""
        definition = self.get(identity)
        self._refuse_faults(content)
        number = str(uuid.uuid4())
        now = iso_now()
        version = Version(
            arn=f"{definition.arn}/versions/{number}",
            id=identity,
            version=number,
            created=now,
            content=content,
        )
        self._definitions[identity] = replace(
            definition, updated=now, versions=(*definition.versions, version)
        )
        return version

    def rename(self, identity: str, name: str) -> None:
        """Rename a definition."""
        self._definitions[identity] = replace(self.get(identity), name=name, updated=iso_now())

    def delete(self, identity: str) -> None:
        """Remove a definition with all its versions."""
        self.get(identity)
        del self._definitions[identity]

    def get(self, identity: str) -> Definition:
        """Return a definition.

        Raises:
            ApiError: if there is none of this id.
        """
        try:
            return self._definitions[identity]
        except KeyError:
            reason = f"That {self._what} does not exist: {identity}"
            raise ApiError("IdNotFoundException", reason, 404) from None

    def version(self, identity: str, number: str) -> Version:
        """Return one version of a definition.

        Raises:
            ApiError: if there is no such definition or version.
        """
        for version in self.get(identity).versions:
            if version.version == number:
                return version
        reason = f"That version of the {self._what} {identity} does not exist: {number}"
        raise ApiError("VersionNotFoundException", reason, 404)

    def version_of_arn(self, arn: str) -> Version | None:
        """Return the version with this ARN, if there is one."""
        versions = (v for definition in self.all() for v in definition.versions)
        return next((version for version in versions if version.arn == arn), None)

    def all(self) -> list[Definition]:
        """Return every definition, the oldest first."""
        return list(self._definitions.values())

    def _refuse_faults(self, content: Content) -> None:
        faults = list(self._check(content))
        if faults:
            raise ApiError(
                "BadRequestException", f"The {self._what} is invalid: " + "; ".join(faults)
            )
