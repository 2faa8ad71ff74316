"""Components of others that a deployment keeps on its cores beside our own."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inference.schema import ConfigurationError, Fault, json_value

KEY = "components"
EXAMPLE = "aws.greengrass.LogManager=2.3.9"

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_NUMBER = r"(?:0|[1-9][0-9]*)"
_WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"(?=.{{1,64}}$){_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_WORDS})?(?:\+{_WORDS})?"
)
"""https://semver.org, which Greengrass follows."""
_NAME_RULE = "must be the name of a component: letters, digits, _ . and -, at most 128"
_VERSION_RULE = "must be a version such as 2.3.9, since a deployment names exactly one"


@dataclass(frozen=True)
class OtherComponent:
    """A component that is not ours: its version, and the settings that the deployment changes."""

    name: str
    version: str
    configuration: Mapping[str, Any] = field(default_factory=dict)


def parse_components(value: object) -> tuple[OtherComponent, ...]:
    """Read ``name=version,name=version``, or a JSON object, or the text of one.

    In JSON, a component's value is its version, or ``{"version": …, "configuration": {…}}``.

    Raises:
        ConfigurationError: naming each component that is wrong.
    """
    faults: list[Fault] = []
    found = tuple(_component(name, given, faults) for name, given in _pairs(value, faults))
    names = [one.name for one in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault(KEY, name, "is named twice"))
    if faults:
        raise ConfigurationError(faults)
    return found


def _pairs(value: object, faults: list[Fault]) -> Iterator[tuple[str, object]]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json_value(KEY, value)
        except ConfigurationError as error:
            faults += error.faults
            return
    if isinstance(value, dict):
        yield from ((str(name), given) for name, given in value.items())
    elif isinstance(value, str):
        for part in value.split(","):
            name, _, version = part.strip().partition("=")
            yield name, version
    else:
        faults.append(Fault(KEY, value, "must be name=version, separated by commas, or JSON"))


def _component(name: str, given: object, faults: list[Fault]) -> OtherComponent:
    path = f"{KEY}.{name}"
    if not _NAME.fullmatch(name):
        faults.append(Fault(KEY, name, _NAME_RULE, EXAMPLE))
        path = KEY  # the name may hold anything
    elif name.startswith("DlrInference"):
        faults.append(Fault(KEY, name, "is a component of this app, which deploys it by itself"))
    values = given if isinstance(given, dict) else {"version": given}
    for key in sorted(set(map(str, values)) - {"version", "configuration"}):
        faults.append(Fault(path, key, "is neither version nor configuration"))
    version, configuration = values.get("version"), values.get("configuration", {})
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        example = f"{name}={EXAMPLE.partition('=')[2]}" if path != KEY else EXAMPLE
        faults.append(Fault(path, version, _VERSION_RULE, example))
    if not isinstance(configuration, dict):
        faults.append(Fault(path, configuration, "must have an object as its configuration"))
        configuration = {}
    try:
        _require_json(configuration)
    except ValueError as error:
        faults.append(Fault(path, configuration, f"must have JSON as its configuration: {error}"))
    return OtherComponent(name, str(version), configuration)


def _require_json(value: object) -> None:
    """Raise ``ValueError`` with the reason if ``value`` cannot be written as JSON, in UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("text in it has half a character, a lone surrogate") from None
    except ValueError:
        raise ValueError("a number in it is NaN or infinite") from None
