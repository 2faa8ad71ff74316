"""What CloudFormation leaves alone when a resource of a stack cannot be deleted.

ministack would go on with everything else, also with what that resource needs. CloudFormation
deletes in the reverse order of dependencies, and goes no further than a resource that fails. Such a
stack takes no updates any more.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-describing-stacks.html
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

_UPDATES = ("CreateChangeSet", "UpdateStack")


def keep_what_failed_resources_need(stacks: Any) -> None:
    """Change ministack's module ``stacks``: what depends on a resource is deleted before it."""
    inner = stacks._delete_resource

    def delete(kind: str, identity: str, properties: Any, stack_name: str, name: str) -> Any:
        blocking = _blocking(stacks, stack_name, name)
        if blocking:
            raise RuntimeError(f"it is needed by {blocking}, which was not deleted")
        return inner(kind, identity, properties, stack_name, name)

    stacks._delete_resource = delete


def refuse_updates_of_failed_deletions(handlers: ModuleType) -> None:
    """Change ministack's module ``handlers``: what could not be deleted can only be deleted."""
    for action in _UPDATES:
        handlers._ACTION_HANDLERS[action] = _checked(handlers, handlers._ACTION_HANDLERS[action])


def _checked(handlers: ModuleType, inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def handle(params: Any) -> Any:
        stack = handlers._resolve_stack(handlers._p(params, "StackName"))
        if not stack or stack.get("StackStatus") != "DELETE_FAILED":
            return inner(params)
        return handlers._error(
            "ValidationError",
            f"Stack:{stack.get('StackId')} is in DELETE_FAILED state and can not be updated.",
        )

    return handle


def _blocking(stacks: Any, stack_name: str, name: str) -> str:
    """Return a resource that could not be deleted and that depends on the resource ``name``."""
    from ministack.services.cloudformation import _stacks

    stack = _stacks.get(stack_name) or {}
    if stack.get("StackStatus") != "DELETE_IN_PROGRESS":
        return ""
    resources = stack.get("_resources") or {}
    definitions = (stack.get("_template") or {}).get("Resources") or {}
    for other, resource in resources.items():
        failed = other != name and resource.get("ResourceStatus") == "DELETE_FAILED"
        if failed and name in stacks._with_dependencies([other], definitions, set(resources)):
            return str(other)
    return ""
