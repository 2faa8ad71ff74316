"""What is deployed of a component, and what a nucleus does to one that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .dialect import Restart
from .lifecycle import ComponentPlan
from .recipe import Recipe


@dataclass(frozen=True)
class ComponentDeployment:
    """One component of a deployment, with the update of its configuration."""

    recipe: Recipe
    reset: tuple[str, ...] = ()
    merge: Mapping[str, Any] = field(default_factory=dict)
    run_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Installed:
    """A component as the last deployment installed it."""

    recipe: Recipe
    configuration: Mapping[str, Any]
    run_with: Mapping[str, Any]
    is_reset: bool = False
    """Whether the deployment reset the whole configuration."""


class Change(Enum):
    """What a deployment does to a component."""

    INSTALL = "it is installed and run"
    RESTART = "it is run again"
    NOTIFY = "it keeps running, and hears of its configuration"


def change(
    there: tuple[Installed, ComponentPlan], wanted: tuple[Installed, ComponentPlan], rule: Restart
) -> Change:
    """Return what a nucleus with this rule does to a component that runs and is to be another.

    The classic nucleus: ``GenericExternalService.shouldRestart`` and ``requestReinstall``.
    """
    (old, old_plan), (new, new_plan) = there, wanted
    if (old.recipe.version, old.run_with) != (new.recipe.version, new.run_with):
        return Change.INSTALL
    if rule is Restart.ALWAYS:
        return Change.INSTALL
    if rule is Restart.NEVER:
        return Change.NOTIFY
    if new_plan.install != old_plan.install:
        return Change.INSTALL
    return Change.RESTART if new_plan.run != old_plan.run else Change.NOTIFY
