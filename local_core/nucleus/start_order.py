"""The order in which components start: each after those that it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from .recipe import RecipeError


def start_order(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names in an order in which each follows its dependencies.

    Dependencies that are not among the names are ignored, such as the nucleus's own.

    Raises:
        RecipeError: if components depend on each other.
    """
    known = {
        name: sorted(set(needed) & set(dependencies))
        for name, needed in sorted(dependencies.items())
    }
    try:
        return list(TopologicalSorter(known).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise RecipeError(f"components depend on each other: {circle}") from None
