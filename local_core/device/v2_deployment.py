"""What a V2 deployment consists of, read from the cloud's API.

https://docs.aws.amazon.com/greengrass/v2/APIReference/API_ResolveComponentCandidates.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..nucleus.core import ComponentDeployment
from ..nucleus.recipe import Recipe, RecipeError

_BUILT_IN = "aws.greengrass."
"""Components of AWS, such as the token exchange service, are a part of the local core itself."""


@dataclass(frozen=True)
class V2Deployment:
    """One revision of a thing's deployment, with everything that it names.

    ``built_in`` are the versions of AWS's components by name, ``artifact_owners`` the ARNs of
    component versions by the URIs of their artifacts.
    """

    id: str
    name: str
    target_arn: str
    rolls_back: bool
    components: tuple[ComponentDeployment, ...]
    built_in: Mapping[str, str] = field(default_factory=dict)
    artifact_owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each component by its name."""
        return {one.recipe.name: one.recipe.version for one in self.components}


def read_deployment(client: Any, identity: str, platform: Mapping[str, str]) -> V2Deployment:
    """Read the deployment with this id; ``client`` is one of greengrassv2.

    Dependencies are resolved with it, to the highest version within all requirements.

    Raises:
        RecipeError: if a recipe cannot be read.
        botocore.exceptions.ClientError: if the service refuses, such as for a missing version.
    """
    document = client.get_deployment(deploymentId=identity)
    asked: Mapping[str, Any] = document.get("components") or {}
    found = _resolve(
        client, platform, {name: {"": c["componentVersion"]} for name, c in asked.items()}
    )
    policies = document.get("deploymentPolicies") or {}
    recipes = {name: recipe for name, (_, recipe) in found.items()}
    return V2Deployment(
        id=identity,
        name=document.get("deploymentName") or identity,
        target_arn=document["targetArn"],
        rolls_back=policies.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK",
        components=tuple(
            _update(recipe, asked.get(name, {}))
            for name, recipe in recipes.items()
            if not name.startswith(_BUILT_IN)
        ),
        built_in={n: r.version for n, r in recipes.items() if n.startswith(_BUILT_IN)},
        artifact_owners={
            artifact.uri: arn
            for arn, recipe in found.values()
            for manifest in recipe.manifests
            for artifact in manifest.artifacts
        },
    )


def _resolve(
    client: Any, platform: Mapping[str, str], requirements: dict[str, dict[str, str]]
) -> dict[str, tuple[str, Recipe]]:
    """Return ARN and recipe of each component, until no dependency is missing."""
    while True:
        candidates = [
            {
                "componentName": name,
                "versionRequirements": {who or "deployment": text for who, text in wanted.items()},
            }
            for name, wanted in sorted(requirements.items())
        ]
        if not candidates:
            return {}
        reply = client.resolve_component_candidates(
            platform={"attributes": dict(platform)}, componentCandidates=candidates
        )
        found = {
            item["componentName"]: (item["arn"], _recipe(item["recipe"]))
            for item in reply["resolvedComponentVersions"]
        }
        missing = False
        for name, (_, recipe) in found.items():
            for needed, text in recipe.dependencies.items():
                wanted = requirements.setdefault(needed, {})
                missing = missing or wanted.get(name) != text
                wanted[name] = text
        if not missing:
            return found


def _recipe(text: bytes) -> Recipe:
    try:
        return Recipe.parse(json.loads(text))
    except ValueError as error:
        raise error if isinstance(error, RecipeError) else RecipeError(str(error)) from error


def _update(recipe: Recipe, asked: Mapping[str, Any]) -> ComponentDeployment:
    update = asked.get("configurationUpdate") or {}
    return ComponentDeployment(
        recipe=recipe,
        reset=tuple(update.get("reset") or ()),
        merge=json.loads(update.get("merge") or "{}"),
    )
