"""The components of Greengrass V2: this account's own, and the ones that AWS provides.

https://docs.aws.amazon.com/greengrass/v2/APIReference/API_CreateComponentVersion.html
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import location
from ..api.errors import ApiError
from . import recipe as v2_recipe
from . import versions as v2_versions

Digest = Callable[[str], bytes | None]
"""Reads an S3 object and returns its SHA-256 digest, or None if it cannot be read."""

_PUBLIC = {
    "aws.greengrass.Nucleus": "2.16.0",
    "aws.greengrass.NucleusLite": "2.6.0",
    "aws.greengrass.Cli": "2.16.0",
    "aws.greengrass.TokenExchangeService": "2.0.3",
}
"""Components of AWS that a core has built in; here they are names and versions only."""
_OF_AWS = {
    *_PUBLIC,
    *(
        f"aws.greengrass.{name}"
        for name in (
            "Cloudwatch",
            "DiskSpooler",
            "DockerApplicationManager",
            "LocalDebugConsole",
            "LogManager",
            "SecretManager",
            "SecureTunneling",
            "ShadowManager",
            "StreamManager",
            "SystemsManagerAgent",
            "telemetry.NucleusEmitter",
        )
    ),
}
"""Components of AWS that a deployment may name; which versions AWS has of them is not known here.
https://docs.aws.amazon.com/greengrass/v2/developerguide/public-components.html
"""


@dataclass(frozen=True)
class ComponentVersion:
    """One immutable version of a component, its recipe with the artifacts' digests."""

    name: str
    version: str
    recipe: Mapping[str, Any]
    created: float
    account: str = location.ACCOUNT
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def component_arn(self) -> str:
        """The ARN of all versions together."""
        return location.arn("greengrass", f"components:{self.name}", account=self.account)

    @property
    def arn(self) -> str:
        """The ARN of this version."""
        return f"{self.component_arn}:versions:{self.version}"


class ComponentStore:
    """Every component version; ``digest`` reads artifacts, as the service does on creation."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._versions = {
            version.arn: version
            for version in (_public(name, number) for name, number in _PUBLIC.items())
        }

    def create(self, text: bytes, tags: Mapping[str, str] | None = None) -> ComponentVersion:
        """Create a version from its recipe, and record the digest of every artifact.

        Raises:
            ApiError: if the recipe is wrong, an artifact is missing, or the version exists.
        """
        try:
            recipe = v2_recipe.parse(text)
        except v2_recipe.InvalidRecipeError as error:
            raise ApiError("ValidationException", f"Invalid Input: {error}") from None
        found = list(v2_recipe.faults(recipe))
        if found:
            raise ApiError("ValidationException", "Invalid Input: " + "; ".join(found))
        component = ComponentVersion(
            name=recipe["ComponentName"],
            version=str(recipe["ComponentVersion"]),
            recipe=recipe,
            created=time.time(),
            tags=dict(tags or {}),
        )
        if component.arn in self._versions:
            what = f"[{component.name} : {component.version}] for account [{component.account}]"
            reason = f"Component {what} already exists with state: [DEPLOYABLE]"
            raise ApiError("ConflictException", reason, 409)
        self._add_digests(recipe)
        self._versions[component.arn] = component
        return component

    def _add_digests(self, recipe: Mapping[str, Any]) -> None:
        unread = []
        for artifact in v2_recipe.artifacts(recipe):
            uri = artifact.get("Uri") or artifact["URI"]
            digest = self._digest(uri)
            if digest is None:
                unread.append(f"{uri} = Specified artifact resource cannot be accessed")
            else:
                artifact["Digest"] = base64.b64encode(digest).decode()
                artifact["Algorithm"] = "SHA-256"
        if unread:
            reason = f"Encountered following errors in Artifacts: {{{', '.join(unread)}}}"
            raise ApiError("ValidationException", f"Invalid Input: {reason}")

    def delete(self, arn: str) -> None:
        """Delete one of this account's versions.

        Raises:
            ApiError: if there is none, or it is AWS's.
        """
        component = self.get(arn)
        if component.account != location.ACCOUNT:
            raise ApiError("AccessDeniedException", f"{arn} is a public component", 403)
        del self._versions[arn]

    def get(self, arn: str) -> ComponentVersion:
        """Return the version with this ARN.

        Raises:
            ApiError: if there is none.
        """
        try:
            return self._versions[arn]
        except KeyError:
            reason = f"Component version {arn} does not exist"
            raise ApiError("ResourceNotFoundException", reason, 404) from None

    def versions(self, component_arn: str) -> list[ComponentVersion]:
        """Return the versions of one component, the highest first."""
        return _sorted(v for v in self._versions.values() if v.component_arn == component_arn)

    def latest(self, *, public: bool) -> list[ComponentVersion]:
        """Return the highest version of each of AWS's or of this account's components."""
        highest: dict[str, ComponentVersion] = {}
        for version in _sorted(self._versions.values()):
            if (version.account == "aws") == public:
                highest.setdefault(version.name, version)
        return [highest[name] for name in sorted(highest)]

    def resolve(self, name: str, requirements: Iterable[str]) -> ComponentVersion | None:
        """Return the highest version of ``name`` within all ``requirements``, if there is one.

        Of AWS's components there is each version that a requirement names.

        Raises:
            ApiError: if a requirement cannot be read.
        """
        wanted = list(requirements)
        named = wanted if name in _OF_AWS else []
        public = [_public(name, text) for text in named if v2_versions.parse(text)]
        try:
            for version in _sorted([*self._versions.values(), *public]):
                fits = all(v2_versions.satisfies(version.version, text) for text in wanted)
                if version.name == name and fits:
                    return version
        except v2_versions.RangeError as error:
            raise ApiError("ValidationException", str(error)) from None
        return None


def _sorted(versions: Iterable[ComponentVersion]) -> list[ComponentVersion]:
    return sorted(versions, key=lambda v: v2_versions.parse(v.version) or (0, 0, 0), reverse=True)


def _public(name: str, version: str) -> ComponentVersion:
    recipe = {
        "RecipeFormatVersion": v2_recipe.FORMAT_VERSION,
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentType": "aws.greengrass.plugin",
        "ComponentPublisher": "AWS",
        "Manifests": [],
    }
    return ComponentVersion(name=name, version=version, recipe=recipe, created=0.0, account="aws")
