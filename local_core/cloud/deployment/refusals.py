"""What CloudFormation refuses to create, and ministack's handlers would create all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..emulator import Handlers
from .handlers import Properties

Client = Callable[[str], Any]
Types = Callable[[str], Handlers]


def refusing_types(*, client: Client, types: Types) -> dict[str, Handlers]:
    """Return handlers that refuse what AWS refuses; ``types`` returns ministack's by type.

    That is a rule whose name is taken, which ministack would overwrite, and a permission on a
    function that does not exist.
    """
    checks: Mapping[str, Callable[[Client, Properties], None]] = {
        "AWS::IoT::TopicRule": _name_is_free,
        "AWS::Lambda::Permission": _function_exists,
    }
    return {
        name: {**types(name), "create": _checked(types(name)["create"], client, check)}
        for name, check in checks.items()
    }


def _checked(
    inner: Callable[..., Any], client: Client, check: Callable[[Client, Properties], None]
) -> Callable[..., Any]:
    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        check(client, properties)
        return inner(logical_id, properties, stack)

    return create


def _name_is_free(client: Client, properties: Properties) -> None:
    name = properties.get("RuleName")
    rules = client("iot").get_paginator("list_topic_rules").paginate()
    if name in (rule["ruleName"] for page in rules for rule in page["rules"]):
        raise ValueError(f"the topic rule {name} already exists")


def _function_exists(client: Client, properties: Properties) -> None:
    functions = client("lambda")
    try:
        functions.get_function(FunctionName=properties["FunctionName"])
    except functions.exceptions.ResourceNotFoundException as error:
        raise ValueError(f"{properties['FunctionName']}: {error}") from None
