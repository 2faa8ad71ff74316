"""Requests checked against the service models that botocore ships, which AWS publishes.

botocore's own validator looks at required members, types and minimum lengths only; a service also
refuses what breaks a pattern, an enumeration or a maximum.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (Mapping,),
    "map": (Mapping,),
    "list": (list, tuple),
    "string": (str,),
    "character": (str,),
    "blob": (bytes,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}


@functools.cache
def load(service: str) -> Any:
    """Return botocore's model of ``service``; its names are those of boto3's clients."""
    import botocore.loaders
    import botocore.model

    loader = botocore.loaders.Loader()
    version = loader.determine_latest_version(service, "service-2")
    return botocore.model.ServiceModel(
        loader.load_data(f"{service}/{version}/service-2"), service_name=service
    )


def faults(shape: Any, value: object, path: str = "") -> Iterator[str]:
    """Yield each way in which ``value`` is not what ``shape`` says, with the path to the fault."""
    where = path or "the request"
    kind = shape.type_name
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where} must be of type {kind}, not {type(value).__name__}"
    elif isinstance(value, Mapping) and kind == "structure":
        yield from _structure_faults(shape, value, path)
    else:
        yield from _limit_faults(shape, value, where)
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from faults(shape.key, key, f"{path}[{key}] (the key)")
                yield from faults(shape.value, item, f"{path}[{key}]")
        elif isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                yield from faults(shape.member, item, f"{path}[{number}]")


def _structure_faults(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{prefix}{name} is required"
    for name, item in value.items():
        if name not in shape.members:
            known = ", ".join(sorted(shape.members))
            yield f"{prefix}{name} is not known; known are: {known}"
        elif item is not None:
            yield from faults(shape.members[name], item, f"{prefix}{name}")


def _limit_faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    limits = shape.metadata
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    size = value if is_number else len(value) if hasattr(value, "__len__") else None
    what = "value" if is_number else "length"
    if size is not None and shape.type_name != "timestamp":
        if "min" in limits and size < limits["min"]:
            yield f"{where} has a {what} of {size}, less than {limits['min']}"
        if "max" in limits and size > limits["max"]:
            yield f"{where} has a {what} of {size}, more than {limits['max']}"
    if isinstance(value, str):
        if "enum" in limits and value not in limits["enum"]:
            yield f"{where} is {value!r}, not one of {', '.join(limits['enum'])}"
        if "pattern" in limits and not _matches(limits["pattern"], value):
            yield f"{where} is {value!r}, which does not match {limits['pattern']}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # a few models use character classes that only Java knows
        return True


def from_template(shape: Any, value: Any) -> Any:
    """Return a template's ``value`` with the model's names and types.

    Templates write every name with a capital, and CloudFormation takes ``"5"`` for 5 and
    ``"true"`` for true. What does not fit stays as it is, for ``faults`` to find.
    """
    kind = shape.type_name
    if isinstance(value, Mapping):
        if kind == "structure":
            names = {name.lower(): name for name in shape.members}
            return {
                (member := names.get(name.lower(), name)): from_template(
                    shape.members[member], item
                )
                if member in shape.members
                else item
                for name, item in value.items()
            }
        if kind == "map":
            return {key: from_template(shape.value, item) for key, item in value.items()}
    elif isinstance(value, list) and kind == "list":
        return [from_template(shape.member, item) for item in value]
    elif isinstance(value, str):
        return _from_text(kind, value)
    elif kind == "string" and isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _from_text(kind: str, value: str) -> object:
    if kind in ("integer", "long") and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind in ("float", "double") and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value.encode() if kind == "blob" else value
