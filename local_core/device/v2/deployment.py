"""What a V2 deployment consists of, read from the cloud's API.

https://docs.aws.amazon.com/greengrass/v2/APIReference/API_ResolveComponentCandidates.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...nucleus.core import ComponentDeployment
from ...nucleus.recipe import Recipe, RecipeError

_BUILT_IN = "aws.greengrass."
"""Components of AWS, such as the token exchange service, are a part of the local core itself."""


@dataclass(frozen=True)
class V2Deployment:
    """One revision of a target's deployment, with everything that the core is then to run.

    ``asked`` are the versions that it names itself, by component; ``components`` are these, those
    of the core's other targets, and what they need. ``built_in`` are the versions of AWS's
    components by name, ``artifact_owners`` the ARNs of component versions by the URIs of their
    artifacts.
    """

    target_arn: str
    rolls_back: bool
    asked: Mapping[str, str]
    components: tuple[ComponentDeployment, ...]
    built_in: Mapping[str, str] = field(default_factory=dict)
    artifact_owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each component by its name."""
        return {one.recipe.name: one.recipe.version for one in self.components}


def read_deployment(
    client: Any,
    identity: str,
    platform: Mapping[str, str],
    others: Mapping[str, Mapping[str, str]],
) -> V2Deployment:
    """Read the deployment with this id; ``client`` is one of greengrassv2.

    ``others`` are what the core's other targets have asked for: versions by component, by the
    targets' ARNs. One version of a component must do for all; its configuration is updated by this
    deployment alone. Dependencies are resolved with it, to the highest version within all
    requirements.

    Raises:
        RecipeError: if a recipe cannot be read.
        botocore.exceptions.ClientError: if the service refuses, such as for a missing version.
    """
    document = client.get_deployment(deploymentId=identity)
    asked: Mapping[str, Any] = document.get("components") or {}
    target = str(document["targetArn"])
    versions = {name: str(one["componentVersion"]) for name, one in asked.items()}
    found = _resolve(client, platform, _requirements({**others, target: versions}))
    policies = document.get("deploymentPolicies") or {}
    recipes = {name: recipe for name, (_, recipe) in found.items()}
    return V2Deployment(
        target_arn=target,
        rolls_back=policies.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK",
        asked=versions,
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


def _requirements(targets: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return who asks for which version of each component; a target as ``thinggroup/NAME``."""
    requirements: dict[str, dict[str, str]] = {}
    for arn, versions in targets.items():
        for name, version in versions.items():
            requirements.setdefault(name, {})[arn.split(":", 5)[5]] = version
    return requirements


def _resolve(
    client: Any, platform: Mapping[str, str], requirements: dict[str, dict[str, str]]
) -> dict[str, tuple[str, Recipe]]:
    """Return ARN and recipe of each component, until no dependency is missing."""
    while True:
        candidates = [
            {"componentName": name, "versionRequirements": wanted}
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
