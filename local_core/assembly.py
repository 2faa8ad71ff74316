"""A synthesised cloud assembly, read for its Greengrass components, deployments and assets.

https://github.com/aws/aws-cdk-cli/tree/main/packages/@aws-cdk/cloud-assembly-schema
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .intrinsics import PSEUDO_PARAMETERS, Resolver, UnresolvedError
from .nucleus.artifacts import ArtifactError, zip_folder
from .nucleus.core import ComponentDeployment
from .nucleus.recipe import Recipe, RecipeError

AWS_COMPONENT_PREFIX = "aws.greengrass."


class AssemblyError(ValueError):
    """An assembly that this core cannot run, with the reason."""


@dataclass(frozen=True)
class ComponentUpdate:
    """What a deployment asks of one component."""

    version: str
    reset: tuple[str, ...] = ()
    merge: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployment:
    """The components that one thing is to run."""

    thing_name: str
    components: Mapping[str, ComponentUpdate]


@dataclass(frozen=True)
class Assembly:
    """What the templates of an assembly say about Greengrass.

    ``assets`` is the local file or folder of each object that ``cdk deploy`` would publish, by
    its ``s3://`` URI. A folder is published as a zip.
    """

    components: tuple[Recipe, ...]
    deployments: tuple[Deployment, ...]
    assets: Mapping[str, Path]

    @classmethod
    def load(cls, folder: Path) -> Assembly:
        """Read the assembly in ``folder``, the ``cdk.out`` of a synthesis.

        Raises:
            AssemblyError: if a part is missing, or holds what only a deployment could resolve.
        """
        components: list[Recipe] = []
        deployments: list[Deployment] = []
        assets: dict[str, Path] = {}
        try:
            for artifact in _read(folder / "manifest.json")["artifacts"].values():
                file = folder / artifact.get("properties", {}).get("templateFile", "")
                if artifact["type"] == "aws:cloudformation:stack":
                    template = _read(file)
                    components += _components(template)
                    deployments += _deployments(template)
                elif artifact["type"] == "cdk:asset-manifest":
                    assets.update(_assets(folder, _read(folder / artifact["properties"]["file"])))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise AssemblyError(f"{folder} cannot be read: {_reason(error)}") from error
        return cls(tuple(components), tuple(deployments), assets)

    def deployment(self) -> Deployment:
        """Return the one deployment of the assembly.

        Raises:
            AssemblyError: if there is none, or more than one.
        """
        if len(self.deployments) != 1:
            raise AssemblyError(f"expected one deployment, found {len(self.deployments)}")
        return self.deployments[0]

    def deployed_components(self) -> tuple[ComponentDeployment, ...]:
        """Return the deployment's components, but for those that AWS provides.

        Raises:
            AssemblyError: if one is neither in the assembly nor AWS's.
        """
        recipes = {(recipe.name, recipe.version): recipe for recipe in self.components}
        found = []
        for name, update in self.deployment().components.items():
            if name.startswith(AWS_COMPONENT_PREFIX):
                continue
            recipe = recipes.get((name, update.version))
            if recipe is None:
                raise AssemblyError(f"no recipe of {name} {update.version} in the assembly")
            found.append(ComponentDeployment(recipe, update.reset, update.merge))
        return tuple(found)


class AssemblyFetcher:
    """Fetches artifacts from an assembly's assets, as they would be once published."""

    def __init__(self, assets: Mapping[str, Path]) -> None:
        self._assets = assets

    def fetch(self, uri: str, destination: Path) -> bool:
        """Make ``destination`` the content of ``uri``; return False if it already was.

        A folder's zip is named by the folder's hash, so one of that name is up to date.

        Raises:
            ArtifactError: if the assembly has no such asset.
        """
        source = self._assets.get(uri)
        if source is None or not source.exists():
            raise ArtifactError(f"{uri} is not an asset of the assembly")
        if source.is_dir():
            if destination.exists():
                return False
            zip_folder(source, destination)
            return True
        if destination.exists() and filecmp.cmp(source, destination, shallow=False):
            return False
        partial = destination.with_name(f".{destination.name}.part")
        shutil.copyfile(source, partial)
        partial.replace(destination)
        return True


def _read(file: Path) -> Any:
    return json.loads(file.read_text())


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error)


def _resources(template: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == kind:
            yield resource["Properties"]


def _components(template: Mapping[str, Any]) -> Iterator[Recipe]:
    resolver = Resolver(template)
    for properties in _resources(template, "AWS::GreengrassV2::ComponentVersion"):
        if "InlineRecipe" not in properties:
            continue  # A component around a Lambda function, which has no recipe of its own.
        text = resolver.resolve(properties["InlineRecipe"])
        try:
            yield Recipe.parse(json.loads(text))
        except (json.JSONDecodeError, RecipeError) as error:
            raise AssemblyError(f"a recipe is wrong: {error}") from error


def _deployments(template: Mapping[str, Any]) -> Iterator[Deployment]:
    resolver = Resolver(template)
    for properties in _resources(template, "AWS::GreengrassV2::Deployment"):
        target = resolver.resolve(properties["TargetArn"])
        _, separator, thing_name = target.rpartition(":thing/")
        if not separator:
            raise UnresolvedError(f"the deployment's target is not a thing: {target}")
        components = resolver.resolve(properties["Components"])
        yield Deployment(thing_name, {name: _update(fields) for name, fields in components.items()})


def _update(fields: Mapping[str, Any]) -> ComponentUpdate:
    update = fields.get("ConfigurationUpdate", {})
    return ComponentUpdate(
        version=fields["ComponentVersion"],
        reset=tuple(update.get("Reset", ())),
        merge=json.loads(update.get("Merge", "{}")),
    )


def _assets(folder: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for asset in manifest.get("files", {}).values():
        source = folder / asset["source"]["path"]
        for destination in asset["destinations"].values():
            uri = f"s3://{destination['bucketName']}/{destination['objectKey']}"
            for name, value in PSEUDO_PARAMETERS.items():
                uri = uri.replace(f"${{{name}}}", value)
            yield uri, source
