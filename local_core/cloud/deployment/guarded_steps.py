"""Each step of a stack within a context that may refuse it, such as a role's permissions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

Guard = Callable[[str, str, str, str, str, Mapping[str, Any]], AbstractContextManager[None]]
"""Takes verb, type, stack, logical id, physical id and properties of a step of a stack."""


def guard_steps(stacks: Any, guard: Guard) -> None:
    """Change ministack's module ``stacks``: each step is done within the context of ``guard``."""
    create, update, delete = (
        stacks._provision_resource,
        stacks._update_resource,
        stacks._delete_resource,
    )

    def guarded_create(kind: str, logical: str, properties: Any, stack: str) -> Any:
        with guard("create", kind, stack, logical, "", properties):
            return create(kind, logical, properties, stack)

    def guarded_update(
        kind: str, physical: str, old: Any, new: Any, stack: str, *further: Any
    ) -> Any:
        if old == new:
            return update(kind, physical, old, new, stack, *further)
        with guard("update", kind, stack, _logical(further), physical, new):
            return update(kind, physical, old, new, stack, *further)

    def guarded_delete(
        kind: str, physical: str, properties: Any, stack: str = "", *further: Any
    ) -> Any:
        with guard("delete", kind, stack, _logical(further), physical, properties):
            return delete(kind, physical, properties, stack, *further)

    stacks._provision_resource = guarded_create
    stacks._update_resource = guarded_update
    stacks._delete_resource = guarded_delete


def _logical(further: tuple[Any, ...]) -> str:
    """Return the logical id among the last arguments of a step, if there is one."""
    return str(further[0]) if further and further[0] else ""
