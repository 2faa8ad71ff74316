"""Actions on predictions: which labels, from which score on, and where messages are sent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.schema import (
    ConfigurationError,
    Fault,
    Field,
    json_value,
    number,
    parse_fields,
    whole,
)

KEY = "actions"
EXAMPLE = (
    '[{"name": "person", "label": "person", "minScore": 0.8, '
    '"target": "arn:aws:sns:us-east-1:123456789012:alerts"}]'
)
MAXIMUM = 100
"""Each is up to three resources of a stack, which has room for 500, and an account has 1,000 rules.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html
"""
MAXIMUM_LABELS = 100

_NAME = re.compile(r"[a-zA-Z0-9_]{1,30}")
_NAME_RULE = "must be 1 to 30 letters, digits or underscores: the name of a rule contains it"
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_LABEL_RULE = (
    "must be a label, or a list of at most 100: 1 to 256 characters, no control characters"
)
_PLACE = r"arn:aws[a-z-]*:{}:(?P<region>[a-z]{{2}}(?:-[a-z]+)+-[0-9]):(?P<account>[0-9]{{12}}):"
_TARGETS: Mapping[str, str] = {
    "sns": r"(?P<resource>[a-zA-Z0-9_-]{1,256})",
    "sqs": r"(?P<resource>[a-zA-Z0-9_-]{1,80})",
    "lambda": r"function:(?P<resource>[a-zA-Z0-9_-]{1,64}(?::[a-zA-Z0-9_-]{1,128})?)",
    "firehose": r"deliverystream/(?P<resource>[a-zA-Z0-9_.-]{1,64})",
}
_TARGET_RULE = (
    "must be the ARN of a topic of Amazon SNS, a queue of Amazon SQS, a function of AWS Lambda, or "
    "a delivery stream of Amazon Data Firehose"
)
_FIFO_RULE = "must not be a FIFO topic or queue, which rules of AWS IoT do not support"
_EVENTS_RULE = (
    "is an event bus, for which AWS IoT has no rule action: name a queue of Amazon SQS, and "
    "connect it to the bus with a pipe of Amazon EventBridge"
)


@dataclass(frozen=True)
class Target:
    """Where messages go: ``service`` is sns, sqs, lambda or firehose."""

    service: str
    arn: str
    region: str
    account: str
    resource: str


@dataclass(frozen=True)
class LabelAction:
    """What to do with a prediction of one of ``labels``, or of any label if there are none."""

    name: str
    labels: tuple[str, ...]
    minimum_score: float
    target: Target


def parse_actions(value: object) -> tuple[LabelAction, ...]:
    """Read the JSON text of a list of actions, or the list itself.

    Raises:
        ConfigurationError: naming every fault by its dotted key.
    """
    faults: list[Fault] = []
    found = tuple(_actions(value, faults))
    names = [one.name.lower() for one in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault(KEY, name, "is the name of two actions"))
    if faults:
        raise ConfigurationError(faults)
    return found


def _actions(value: object, faults: list[Fault]) -> Iterator[LabelAction]:
    for number_, given in enumerate(_objects(value, faults)):
        path = f"{KEY}.{number_}"
        if not isinstance(given, dict):
            faults.append(Fault(path, given, "must be an object"))
            continue
        named = {str(key): part for key, part in given.items()}
        parsed, wrong = parse_fields(_FIELDS, named, _REQUIRED)
        faults += [fault.below(path) for fault in wrong]
        if not wrong:
            yield LabelAction(
                parsed["name"], parsed["label"], float(parsed["minScore"]), parsed["target"]
            )


def _objects(value: object, faults: list[Fault]) -> Sequence[object]:
    try:
        value = json_value(KEY, value)
    except ConfigurationError as error:
        faults += error.faults
        return ()
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAXIMUM:
        faults.append(Fault(KEY, value, f"must be a list of 1 to {MAXIMUM} actions", EXAMPLE))
        return ()
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(_NAME_RULE)
    return value


def _labels(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= MAXIMUM_LABELS:
        raise ValueError(_LABEL_RULE)
    for label in given:
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            raise ValueError(_LABEL_RULE)
    return tuple(dict.fromkeys(map(whole, given)))


def _target(value: object) -> Target:
    if not isinstance(value, str):
        raise ValueError(_TARGET_RULE)
    parts = value.split(":")
    service = parts[2] if len(parts) > 2 else ""
    if service == "events":
        raise ValueError(_EVENTS_RULE)
    if service in ("sns", "sqs") and value.endswith(".fifo"):
        raise ValueError(_FIFO_RULE)
    pattern = _TARGETS.get(service)
    match = pattern and re.fullmatch(_PLACE.format(service) + pattern, value)
    if not match:
        raise ValueError(_TARGET_RULE)
    return Target(service, value, match["region"], match["account"], match["resource"])


_REQUIRED = ("name", "target")
_FIELDS: tuple[Field[Any], ...] = (
    Field("name", _name, None, "person"),
    Field("label", _labels, (), "person"),
    Field("minScore", number(0, 1), 0.0, "0.8"),
    Field("target", _target, None, "arn:aws:sns:us-east-1:123456789012:alerts"),
)
