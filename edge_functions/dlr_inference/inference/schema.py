"""Declared fields, parsed all at once: the one way in which configuration enters the program.

The same declarations serve the device, where values come from a component's configuration, and
``cdk synth``, where they come from context; so a bad threshold fails at the desk and not on a pole.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Generic, Iterable, Mapping, Sequence, TypeVar

from .errors import InferenceError

T = TypeVar("T")

_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return ``value`` as a message shows it: quoted, on one line, and not longer than it helps."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


@dataclass(frozen=True)
class Fault:
    """One wrong value: which key, what stood there, what it must be, and a value that would do."""

    key: str
    value: object
    rule: str
    example: str = ""

    def __str__(self) -> str:
        advice = f", for example {self.example}" if self.example else ""
        key = self.key if self.key and self.key.isprintable() else shown(self.key)
        return f"{key}={shown(self.value)}: {self.rule}{advice}"


class ConfigurationError(InferenceError, ValueError):
    """Configuration that cannot be used; carries every fault found, not only the first."""

    health_fault = "bad configuration"

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


@dataclass(frozen=True)
class Field(Generic[T]):
    """One key of a configuration: how it is read, what it means, and its value when left out.

    ``parse`` raises ``ValueError`` with the rule that the value breaks, or ``ConfigurationError``
    where a value has parts of its own.
    """

    key: str
    parse: Callable[[object], T]
    default: Any
    example: str
    meaning: str = ""


def parse_fields(
    fields: Sequence[Field[Any]], values: Mapping[str, object]
) -> tuple[dict[str, Any], list[Fault]]:
    """Read ``values`` by ``fields``; return what was read by key, and every fault.

    An unknown key is a fault. A key that is left out, or is null, takes its default. A faulty one
    takes its default too, so that checks between fields can still run.
    """
    parsed: dict[str, Any] = {}
    faults = unknown_keys(values, [field.key for field in fields])
    for field in fields:
        value = values.get(field.key)
        parsed[field.key] = field.default
        if value is None:
            continue
        try:
            parsed[field.key] = field.parse(value)
        except ConfigurationError as error:
            faults.extend(error.faults)
        except ValueError as error:
            faults.append(Fault(field.key, value, str(error), field.example))
    return parsed, faults


def unknown_keys(values: Mapping[str, object], known: Sequence[str]) -> list[Fault]:
    """Return a fault for each key that is not ``known``, naming the nearest that is."""
    faults = []
    for key in values:
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        rule = "unknown key" + (f"; did you mean {near[0]}?" if near else "")
        faults.append(Fault(key, values[key], rule))
    return faults


def number(low: float, high: float) -> Callable[[object], float]:
    """Return a reader of finite numbers from ``low`` to ``high``, both included."""
    rule = f"must be a number from {low:g} to {high:g}"

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(rule)
        try:
            result = float(value)
        except (ValueError, OverflowError):
            raise ValueError(rule) from None
        if not math.isfinite(result) or not low <= result <= high:
            raise ValueError(rule)
        return result

    return parse


def integer(low: int, high: int) -> Callable[[object], int]:
    """Return a reader of whole numbers; ``5.0`` is 5, since the nucleus may hand over floats."""
    as_number = number(low, high)
    rule = f"must be a whole number from {low} to {high}"

    def parse(value: object) -> int:
        try:
            result = as_number(value)
        except ValueError:
            raise ValueError(rule) from None
        if result != int(result):
            raise ValueError(rule)
        return int(result)

    return parse


def choice(*allowed: str) -> Callable[[object], str]:
    """Return a reader of exactly one of the ``allowed`` words."""

    def parse(value: object) -> str:
        if str(value) not in allowed:
            near = difflib.get_close_matches(str(value), allowed, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError("must be one of " + ", ".join(allowed) + hint)
        return str(value)

    return parse


def text(pattern: str, rule: str) -> Callable[[object], str]:
    """Return a reader of strings that match ``pattern`` as a whole; ``rule`` says it in words."""
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return parse


def boolean(value: object) -> bool:
    """Read a flag: JSON's true and false, or the words, since ``-c`` values are always strings."""
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("must be true or false")


def words(value: object) -> tuple[str, ...]:
    """Read a list of words: a JSON list, the text of one, or words separated by commas."""
    rule = 'must be words separated by commas, or a JSON list such as ["cat", "dog"]'
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(rule) from None
    elif isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, (list, tuple)):
        raise ValueError(rule)
    if not all(isinstance(part, str) and part for part in value):
        raise ValueError(rule)
    return tuple(value)
