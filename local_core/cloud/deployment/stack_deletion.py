"""What CloudFormation leaves alone when a resource of a stack cannot be deleted.

ministack would go on with everything else, also with what that resource needs. CloudFormation
deletes in the reverse order of dependencies, and goes no further than a resource that fails.
"""

from __future__ import annotations

from typing import Any


def keep_what_failed_resources_need(stacks: Any) -> None:
    """Change ministack's module ``stacks``: what depends on a resource is deleted before it."""
    inner = stacks._delete_resource

    def delete(kind: str, identity: str, properties: Any, stack_name: str, name: str) -> Any:
        blocking = _blocking(stacks, stack_name, name)
        if blocking:
            raise RuntimeError(f"it is needed by {blocking}, which was not deleted")
        return inner(kind, identity, properties, stack_name, name)

    stacks._delete_resource = delete


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
