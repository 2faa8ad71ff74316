"""What a V2 deployment consists of: its document, and the recipes that the cloud's API has for it.

https://docs.aws.amazon.com/greengrass/v2/APIReference/API_ResolveComponentCandidates.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...nucleus.deployment import ComponentDeployment
from ...nucleus.recipe import Recipe, RecipeError
from .deployment_sources import Order

_BUILT_IN = "aws.greengrass."
"""Components of AWS, such as the token exchange service, are a part of the local core itself."""


@dataclass(frozen=True)
class V2Deployment:
    """One revision of a target's deployment, with everything that the core is then to run.

    ``target`` is such as ``thinggroup/NAME``; ``asked`` are the versions that it names itself, by
    component; ``components`` are these, those of the core's other targets, and what they need.
    ``built_in`` are the versions of AWS's components by name, ``documents`` the recipes of
    ``components`` as the cloud has them.
    """

    target: str
    rolls_back: bool
    asked: Mapping[str, str]
    components: tuple[ComponentDeployment, ...]
    built_in: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each component by its name."""
        return {one.recipe.name: one.recipe.version for one in self.components}


def read_deployment(
    client: Any,
    order: Order,
    platform: Mapping[str, str],
    others: Mapping[str, Mapping[str, str]],
) -> V2Deployment:
    """Read a deployment; ``client`` is one of greengrassv2.

    ``others`` are what the core's other targets have asked for: versions by component, by target.
    One version of a component must do for all; its configuration is updated by this deployment
    alone. Dependencies are resolved with it, to the highest version within all requirements.

    Raises:
        RecipeError: if a recipe cannot be read.
        botocore.exceptions.ClientError: if the service refuses, such as for a missing version.
    """
    asked: Mapping[str, Any] = order.document.get("components") or {}
    versions = {name: str(one["version"]) for name, one in asked.items()}
    found = _resolve(client, platform, _requirements({**others, order.target: versions}))
    own = {name: one for name, one in found.items() if not name.startswith(_BUILT_IN)}
    return V2Deployment(
        target=order.target,
        rolls_back=order.document.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK",
        asked=versions,
        components=tuple(_update(one.recipe, asked.get(name, {})) for name, one in own.items()),
        built_in={n: one.recipe.version for n, one in found.items() if n.startswith(_BUILT_IN)},
        documents={name: one.document for name, one in own.items()},
    )


@dataclass(frozen=True)
class _Resolved:
    document: Mapping[str, Any]
    recipe: Recipe


def _requirements(targets: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return which target asks for which version of each component."""
    requirements: dict[str, dict[str, str]] = {}
    for target, versions in targets.items():
        for name, version in versions.items():
            requirements.setdefault(name, {})[target] = version
    return requirements


def _resolve(
    client: Any, platform: Mapping[str, str], requirements: dict[str, dict[str, str]]
) -> dict[str, _Resolved]:
    """Return each component, until no dependency is missing."""
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
            item["componentName"]: _resolved(item) for item in reply["resolvedComponentVersions"]
        }
        missing = False
        for name, one in found.items():
            for needed, text in one.recipe.dependencies.items():
                wanted = requirements.setdefault(needed, {})
                missing = missing or wanted.get(name) != text
                wanted[name] = text
        if not missing:
            return found


def _resolved(item: Mapping[str, Any]) -> _Resolved:
    try:
        document = json.loads(item["recipe"])
        return _Resolved(document, Recipe.parse(document))
    except ValueError as error:
        raise error if isinstance(error, RecipeError) else RecipeError(str(error)) from error


def _update(recipe: Recipe, asked: Mapping[str, Any]) -> ComponentDeployment:
    update = asked.get("configurationUpdate") or {}
    return ComponentDeployment(
        recipe=recipe,
        reset=tuple(update.get("reset") or ()),
        merge=update.get("merge") or {},
        run_with=asked.get("runWith") or {},
    )
