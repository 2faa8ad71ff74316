"""What a V2 core keeps of its deployments, so that it runs them again when it is started again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...nucleus.deployment import ComponentDeployment
from ...nucleus.recipe import Recipe
from .deployment import V2Deployment

_FILE = "deployments.json"


@dataclass(frozen=True)
class Kept:
    """The components that run, and what each target requires (versions by component).

    ``certificate`` is the device's own, in PEM: with another one it is another core.
    """

    certificate: str
    target: str
    asked: Mapping[str, Mapping[str, str]]
    recipes: Mapping[str, Mapping[str, Any]]
    configurations: Mapping[str, Mapping[str, Any]]
    run_with: Mapping[str, Mapping[str, Any]]
    built_in: Mapping[str, str]

    @classmethod
    def of(
        cls,
        deployment: V2Deployment,
        asked: Mapping[str, Mapping[str, str]],
        configurations: Mapping[str, Mapping[str, Any]],
        certificate: str,
    ) -> Kept:
        """Return what is to be kept of a deployment that was carried out."""
        return cls(
            certificate=certificate,
            target=deployment.target,
            asked=asked,
            recipes=deployment.documents,
            configurations=configurations,
            run_with={one.recipe.name: one.run_with for one in deployment.components},
            built_in=deployment.built_in,
        )

    def deployment(self) -> V2Deployment:
        """Return a deployment that starts what was kept, with the configuration that it had."""
        components = [
            ComponentDeployment(
                recipe=Recipe.parse(recipe),
                reset=("",),
                merge=self.configurations.get(name, {}),
                run_with=self.run_with.get(name, {}),
            )
            for name, recipe in self.recipes.items()
        ]
        return V2Deployment(
            target=self.target,
            rolls_back=False,
            asked=self.asked.get(self.target, {}),
            components=tuple(components),
            built_in=self.built_in,
            documents=self.recipes,
        )

    def save(self, root: Path) -> None:
        """Write it into the core's folder, whole or not at all."""
        scratch = root / f"{_FILE}.new"
        scratch.write_text(json.dumps(asdict(self)))
        scratch.replace(root / _FILE)


def load(root: Path, certificate: str) -> Kept | None:
    """Return what the core in ``root`` has kept; None if it was never deployed to.

    What a core with another certificate has kept there does not count.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        text = (root / _FILE).read_text()
    except FileNotFoundError:
        return None
    try:
        known = {one.name for one in fields(Kept)}  # another release may keep more
        kept = Kept(**{name: value for name, value in json.loads(text).items() if name in known})
    except (AttributeError, ValueError, TypeError) as error:
        raise ValueError(f"{root / _FILE} is damaged ({error}): remove it") from error
    return kept if kept.certificate == certificate else None
