"""How a deployment derives a component's configuration from the defaults of its recipe.

https://docs.aws.amazon.com/greengrass/v2/developerguide/update-component-configurations.html
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any


def deployed(
    defaults: Mapping[str, Any],
    *,
    reset: Sequence[str] = (),
    merge: Mapping[str, Any] | None = None,
    current: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the configuration after a deployment: what is there, then reset, then merge.

    ``current`` is what the core already has. Defaults fill its gaps and never overwrite it, which
    is why a deployment resets ``""``, the whole. A reset key without a default is removed. A merge
    replaces lists and plain values, and goes into objects.

    Raises:
        ValueError: if ``reset`` holds something that is not a JSON pointer.
    """
    configuration = _merged(defaults, current or {})
    for pointer in reset:
        configuration = _reset(configuration, defaults, _keys(pointer))
    return _merged(configuration, merge or {})


def find(configuration: Mapping[str, Any], pointer: str) -> Any:
    """Return the value at the JSON ``pointer``.

    Raises:
        KeyError: if there is none.
        ValueError: if it is not a JSON pointer.
    """
    node: Any = configuration
    for key in _keys(pointer):
        if not isinstance(node, Mapping):
            raise KeyError(key)
        node = node[key]
    return node


def _keys(pointer: str) -> list[str]:
    """Split a JSON pointer (RFC 6901) into its keys."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON pointer: it begins with a slash, or is empty")
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def _merged(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(base))
    for key, value in update.items():
        existing = result.get(key)
        if isinstance(existing, dict) and isinstance(value, Mapping):
            result[key] = _merged(existing, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _reset(
    configuration: dict[str, Any], defaults: Mapping[str, Any], keys: list[str]
) -> dict[str, Any]:
    if not keys:
        return copy.deepcopy(dict(defaults))
    key, *deeper = keys
    default = defaults.get(key)
    if deeper and isinstance(configuration.get(key), dict):
        inner = default if isinstance(default, Mapping) else {}
        configuration[key] = _reset(configuration[key], inner, deeper)
    elif key in defaults:
        configuration[key] = copy.deepcopy(default)
    elif not deeper:
        configuration.pop(key, None)
    return configuration
