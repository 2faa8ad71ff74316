"""Policy variables, which ministack's evaluation of IAM does not know.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import LocalCoreError

Lookup = Callable[[str], Any]
"""Returns the value of a key of the request's context, or None."""

_VARIABLE = re.compile(r"\$\{\s*([^,}]+?)\s*(?:,\s*'([^']*)'\s*)?\}")
_LITERALS = "*?$"
_WILDCARDS = re.compile(r"[*?]")


class UnresolvedVariableError(LocalCoreError):
    """The request has no single value for a variable: its statement does not apply."""


def has_variables(*elements: Any) -> bool:
    """Return whether any of a statement's elements, strings or containers of them, has one."""
    for element in elements:
        if isinstance(element, str):
            if "${" in element:
                return True
        elif isinstance(element, Mapping):
            if has_variables(*element.values()):
                return True
        elif isinstance(element, (list, tuple)) and has_variables(*element):
            return True
    return False


def expanded(element: Any, lookup: Lookup) -> Any:
    """Return an element of a statement with the values of its variables.

    ministack's patterns have no way to write a wildcard that stands for itself. So a value that
    contains one, which no name of AWS IoT does, counts as missing.

    Raises:
        UnresolvedVariableError: if a variable has no value.
    """
    if isinstance(element, str):
        return _VARIABLE.sub(lambda match: _value(match[1], match[2], lookup), element)
    if isinstance(element, Mapping):
        return {key: expanded(value, lookup) for key, value in element.items()}
    if isinstance(element, list):
        return [expanded(item, lookup) for item in element]
    return element


def _value(key: str, default: str | None, lookup: Lookup) -> str:
    if key == "$":
        return "$"
    found = None if key in _LITERALS else lookup(key)
    value = default if found is None else found
    if not isinstance(value, str) or _WILDCARDS.search(value):
        raise UnresolvedVariableError(key)
    return value
