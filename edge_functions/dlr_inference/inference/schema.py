"""Declared fields, parsed all at once: the only way in which configuration enters the program.

The same declarations serve the device, where values come from a component's configuration, and
``cdk synth``, where they come from context. So an invalid threshold is reported before anything is
deployed.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any, Callable, Collection, Generic, Iterable, Mapping, Sequence, TypeVar

from .errors import InferenceError, escaped
from .redaction import redacted

T = TypeVar("T")

_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return ``value`` as a message shows it: quoted, on one line, and at most 80 characters."""
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


@dataclass(frozen=True)
class Fault:
    """One invalid value: its key, the value, the rule that it breaks, and a valid example.

    Its text hides credentials in the value: an address may stand under a misspelt key.
    """

    key: str
    value: object
    rule: str
    example: str = ""

    def __str__(self) -> str:
        advice = f", for example {self.example}" if self.example else ""
        key = self.key if self.key and self.key.isprintable() else shown(self.key)
        return escaped(f"{key}={_cut(redacted(repr(self.value)))}: {self.rule}{advice}")

    def below(self, path: str) -> Fault:
        """Return the fault of a value that is a part of the one at ``path``, by its dotted key."""
        return replace(self, key=f"{path}.{self.key}")


class ConfigurationError(InferenceError, ValueError):
    """Configuration that cannot be used; carries every fault found, not only the first."""

    health_fault = "bad configuration"

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


def strict_json(text: str) -> Any:
    """Return the value of a JSON text that a person has written.

    Raises:
        ValueError: if it is not JSON, or has a key twice in an object: only the last would count.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_value(key: str, value: object) -> object:
    """Return the value of ``key``, which may be given as a JSON text too.

    Raises:
        ConfigurationError: if the text is not JSON.
    """
    try:
        return strict_json(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ConfigurationError([Fault(key, value, f"is not JSON ({error})")]) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} appears twice in an object: remove one of them")
    return values


def snake_case(key: str) -> str:
    """Return a key in snake case: ``topK`` is ``top_k``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()


def unchanged(value: object) -> object:
    """Return ``value``: the writer of fields whose values are JSON already."""
    return value


@dataclass(frozen=True)
class Field(Generic[T]):
    """One key of a configuration: how it is read and written, what it means, and its default.

    ``parse`` raises ``ValueError`` with the rule that the value breaks, or ``ConfigurationError``
    where a value has parts of its own. ``attribute`` names the attribute of the settings that holds
    the value; by default it is the key in snake case. ``write`` returns the JSON that ``parse``
    reads back.
    """

    key: str
    parse: Callable[[object], T]
    default: Any
    example: str
    meaning: str = ""
    attribute: str = ""
    write: Callable[[T], object] = unchanged

    def __post_init__(self) -> None:
        if not self.attribute:
            object.__setattr__(self, "attribute", snake_case(self.key))


def parse_fields(
    fields: Sequence[Field[Any]], values: Mapping[str, object], required: Collection[str] = ()
) -> tuple[dict[str, Any], list[Fault]]:
    """Read ``values`` by ``fields``; return the parsed values by key, and every fault.

    An unknown key is a fault. A key that is left out, or is null, takes its default, which is a
    fault too if it is ``required``. An invalid one takes its default, so that checks between fields
    can still run.
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
    faults += [
        Fault(field.key, None, "is required", field.example)
        for field in fields
        if field.key in required and values.get(field.key) is None
    ]
    return parsed, faults


def attributes(fields: Sequence[Field[Any]], parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``parsed`` values of ``fields`` by the attributes that hold them.

    Fields that share an attribute are alternatives: the first value that is not None counts.
    """
    values: dict[str, Any] = {}
    for field in fields:
        if values.get(field.attribute) is None:
            values[field.attribute] = parsed[field.key]
    return values


def write_fields(
    fields: Sequence[Field[Any]], settings: object, *, with_defaults: bool = True
) -> dict[str, object]:
    """Return the configuration that :func:`parse_fields` reads back, without what is None.

    Unless ``with_defaults``, it is also without what equals its field's default.
    """
    values = ((field, getattr(settings, field.attribute)) for field in fields)
    return {
        field.key: field.write(value)
        for field, value in values
        if value is not None and (with_defaults or value != field.default)
    }


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that is most like ``word``, or None if none is."""
    import difflib  # few starts have to wait for it

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def unknown_keys(values: Mapping[str, object], known: Sequence[str]) -> list[Fault]:
    """Return a fault for each key that is not ``known``, with the nearest known key."""
    faults = []
    for key in values:
        if key in known:
            continue
        near = nearest(key, known, cutoff=0.5)
        rule = "unknown key" + (f"; did you mean {near}?" if near else "")
        faults.append(Fault(key, values[key], rule))
    return faults


def number(low: float, high: float, *, decimals: int | None = None) -> Callable[[object], float]:
    """Return a reader of finite numbers from ``low`` to ``high``, both included.

    At most ``decimals`` digits, if given, may follow the decimal point.
    """
    rule = f"must be a number from {low:g} to {high:g}"
    if decimals is not None:
        rule += f", with at most {decimals} digit{'s' if decimals > 1 else ''} after the point"

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(rule)
        try:
            result = float(value)
        except (ValueError, OverflowError):
            raise ValueError(rule) from None
        if not math.isfinite(result) or not low <= result <= high:
            raise ValueError(rule)
        if decimals is not None and result != round(result, decimals):
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
            near = nearest(str(value), allowed)
            hint = f"; did you mean {near}?" if near else ""
            raise ValueError("must be one of " + ", ".join(allowed) + hint)
        return str(value)

    return parse


def text(pattern: str, rule: str) -> Callable[[object], str]:
    """Return a reader of strings that match the whole ``pattern``; ``rule`` states it in words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return whole(value)

    return parse


def whole(value: str) -> str:
    """Return ``value``; raise ``ValueError`` if it has a lone surrogate, which no file can hold."""
    if any("\ud800" <= one <= "\udfff" for one in value):
        raise ValueError("has half a character (a lone surrogate): write the whole one")
    return value


def boolean(value: object) -> bool:
    """Read a flag: JSON's true and false, or the words, since ``-c`` values are always strings."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
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
    return tuple(map(whole, value))


def words_text(parts: Sequence[str]) -> str:
    """Return the text that :func:`words` reads back as ``parts``: a label may have a comma."""
    text = ",".join(parts)
    is_list = text.lstrip().startswith("[") or text.split(",") != [part.strip() for part in parts]
    return json.dumps(list(parts), ensure_ascii=False) if is_list else text
