"""A stack's resource that would become one of another type, which CloudFormation refuses.

ministack would create the new one and forget the other, as in an update from V1 to V2: a group of
Greengrass and a thing group have the same logical id.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

_ACTIONS = ("CreateChangeSet", "UpdateStack")


def refuse_other_types(handlers: ModuleType) -> None:
    """Change ministack's module ``handlers``: both ways to update a stack check the types first."""
    for action in _ACTIONS:
        handlers._ACTION_HANDLERS[action] = _checked(handlers, handlers._ACTION_HANDLERS[action])


def _checked(handlers: ModuleType, inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def handle(params: Any) -> Any:
        names = _changed(handlers, params)
        if not names:
            return inner(params)
        return handlers._error(
            "ValidationError",
            "Update of resource type is not permitted. The new template modifies resource type of "
            f"the following resources: [{', '.join(names)}]",
        )

    return handle


def _changed(handlers: ModuleType, params: Any) -> list[str]:
    """Return the resources that have another type in the new template than in the stack."""
    stack = handlers._resolve_stack(handlers._p(params, "StackName"))
    body, error = handlers._resolve_template(params)
    if not stack or stack.get("StackStatus") == "DELETE_COMPLETE" or error or not body:
        return []
    try:
        wanted = handlers._parse_template(body).get("Resources") or {}
    except Exception:  # ministack says what is wrong with it
        return []
    present = (stack.get("_template") or {}).get("Resources") or {}
    return [
        name
        for name, one in wanted.items()
        if name in present and one.get("Type") != present[name].get("Type")
    ]
