"""Fn::Join in the conditions of templates, which ministack compares without joining.

The CDK's bootstrap stack needs it: whether the role of CloudFormation gets AdministratorAccess
depends on a joined list being empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

_JOIN = "Fn::Join"


def join_in_conditions(engine: ModuleType, *users: ModuleType) -> None:
    """Let ``engine`` evaluate joined values, for the modules that took its function by name."""
    evaluate = engine._evaluate_conditions

    def evaluated(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        conditions = joined(template.get("Conditions", {}), parameters)
        return evaluate({**template, "Conditions": conditions}, parameters)

    for module in (engine, *users):
        module._evaluate_conditions = evaluated  # type: ignore[attr-defined]


def joined(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Return ``value`` with each Fn::Join of texts and parameters in it replaced by its result."""
    if isinstance(value, list):
        return [joined(one, parameters) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_JOIN}:
        delimiter, parts = value[_JOIN]
        texts = _texts(parts, parameters)
        return value if texts is None else delimiter.join(texts)
    return {key: joined(one, parameters) for key, one in value.items()}


def _texts(parts: Any, parameters: Mapping[str, Any]) -> list[str] | None:
    """Return what is joined, or None if it is not known here; a parameter may be a whole list."""
    if isinstance(parts, dict) and parts.get("Ref") in parameters:
        return [text.strip() for text in str(parameters[parts["Ref"]]["Value"]).split(",")]
    if not isinstance(parts, list):
        return None
    found = []
    for part in parts:
        if isinstance(part, dict) and part.get("Ref") in parameters:
            found.append(str(parameters[part["Ref"]]["Value"]))
        elif isinstance(part, str):
            found.append(part)
        else:
            return None
    return found
