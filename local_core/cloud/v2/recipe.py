"""What Greengrass V2 refuses in a recipe.

https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ...errors import LocalCoreError
from . import versions as v2_versions

FORMAT_VERSION = "2020-01-25"
MAX_NAME = 128
_NAME = r"[a-zA-Z0-9_.-]+"
_KNOWN = {
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentConfiguration",
    "ComponentDependencies",
    "ComponentType",
    "ComponentSource",
    "Manifests",
    "Lifecycle",
}
_TYPES = ("aws.greengrass.generic", "aws.greengrass.lambda", "aws.greengrass.plugin")
_UNARCHIVE = ("NONE", "ZIP")
_READ = ("NONE", "OWNER", "ALL")
_DEPENDENCIES = ("HARD", "SOFT")


class InvalidRecipeError(LocalCoreError, ValueError):
    """A recipe that is neither a JSON object nor a YAML object."""


def parse(text: bytes) -> dict[str, Any]:
    """Return the recipe that is written as JSON or YAML.

    Raises:
        InvalidRecipeError: if it is neither, or no object.
    """
    try:
        recipe = json.loads(text)
    except ValueError as json_error:
        try:
            recipe = yaml.safe_load(text)
        except (UnicodeDecodeError, yaml.YAMLError):
            raise InvalidRecipeError(f"the recipe is neither JSON nor YAML: {json_error}") from None
    if not isinstance(recipe, dict):
        raise InvalidRecipeError("the recipe must be an object")
    return recipe


def artifacts(recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every artifact of every manifest; changing one changes the recipe."""
    manifests = recipe.get("Manifests") or []
    return [item for manifest in manifests for item in manifest.get("Artifacts") or []]


def faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a recipe, apart from whether its artifacts exist."""
    if str(recipe.get("RecipeFormatVersion")) != FORMAT_VERSION:
        yield f"RecipeFormatVersion must be {FORMAT_VERSION}"
    name = str(recipe.get("ComponentName") or "")
    if not re.fullmatch(_NAME, name) or len(name) > MAX_NAME:
        yield f"ComponentName {name!r} must match {_NAME}, at most {MAX_NAME} characters"
    if name.startswith("aws."):
        yield f"ComponentName {name!r}: names that begin with aws. are AWS's own"
    version = str(recipe.get("ComponentVersion") or "")
    if v2_versions.parse(version) is None:
        yield f"ComponentVersion {version!r} must be x.y.z, each a number of at most six digits"
    kind = recipe.get("ComponentType", _TYPES[0])
    if kind not in _TYPES:
        yield f"ComponentType is {kind!r}, not one of {', '.join(_TYPES)}"
    yield from (f"{key} is not known" for key in recipe if key not in _KNOWN)
    yield from _configuration_faults(recipe)
    yield from _dependency_faults(recipe.get("ComponentDependencies") or {})
    manifests = recipe.get("Manifests") or []
    if not isinstance(manifests, list) or not all(isinstance(m, dict) for m in manifests):
        yield "Manifests must be a list of objects"
        return
    for number, manifest in enumerate(manifests):
        yield from (f"Manifests[{number}]: {fault}" for fault in _manifest_faults(manifest))


def _configuration_faults(recipe: Mapping[str, Any]) -> Iterator[str]:
    configuration = recipe.get("ComponentConfiguration")
    if configuration is None:
        return
    default = configuration.get("DefaultConfiguration") if isinstance(configuration, dict) else None
    if not isinstance(default, dict):
        yield "ComponentConfiguration must be an object with the object DefaultConfiguration"


def _dependency_faults(dependencies: Any) -> Iterator[str]:
    if not isinstance(dependencies, dict):
        yield "ComponentDependencies must be an object"
        return
    for name, dependency in dependencies.items():
        kind = dependency.get("DependencyType", "HARD")
        if kind not in _DEPENDENCIES:
            yield f"{name}: DependencyType is {kind!r}, not one of {', '.join(_DEPENDENCIES)}"
        try:
            v2_versions.satisfies("0.0.0", str(dependency["VersionRequirement"]))
        except KeyError:
            yield f"{name}: VersionRequirement is required"
        except v2_versions.RangeError as error:
            yield f"{name}: {error}"


def _manifest_faults(manifest: Mapping[str, Any]) -> Iterator[str]:
    known = {"Name", "Platform", "Lifecycle", "Selections", "Artifacts"}
    yield from (f"{key} is not known" for key in manifest if key not in known)
    for member in ("Platform", "Lifecycle"):
        if not isinstance(manifest.get(member) or {}, dict):
            yield f"{member} must be an object"
    names = []
    for artifact in manifest.get("Artifacts") or []:
        uri = artifact.get("Uri") or artifact.get("URI")
        yield from (f"{uri}: {fault}" for fault in _artifact_faults(artifact, uri))
        names.append(str(uri).rsplit("/", 1)[-1])
    twice = sorted({name for name in names if names.count(name) > 1})
    yield from (f"two artifacts have the file name {name}" for name in twice)


def _artifact_faults(artifact: Mapping[str, Any], uri: Any) -> Iterator[str]:
    if not isinstance(uri, str) or not re.fullmatch(r"s3://[^/]+/.+", uri):
        yield "the Uri of an artifact must be s3://bucket/key"
    unarchive = artifact.get("Unarchive", "NONE")
    if unarchive not in _UNARCHIVE:
        yield f"Unarchive is {unarchive!r}, not one of {', '.join(_UNARCHIVE)}"
    permission = artifact.get("Permission") or {}
    for member in ("Read", "Execute"):
        if permission.get(member, "NONE") not in _READ:
            yield f"Permission.{member} is {permission[member]!r}, not one of {', '.join(_READ)}"
