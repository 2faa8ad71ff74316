"""Context keys of what watches cores in the cloud: dashboard, alarms, actions on predictions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from inference import schema
from stacks.context import values
from stacks.context.actions import EXAMPLE as ACTIONS_EXAMPLE
from stacks.context.actions import KEY as ACTIONS_KEY
from stacks.context.actions import LabelAction

_MAIL = re.compile(
    r"(?=.{3,254}$)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z]+:([a-z0-9-]+):([0-9]{12}):.*", re.DOTALL)


def _mail_address(value: object) -> str:
    local = value.partition("@")[0] if isinstance(value, str) else "."
    dotted = local.startswith(".") or local.endswith(".") or ".." in local
    if not isinstance(value, str) or dotted or not _MAIL.fullmatch(value):
        raise ValueError("must be one e-mail address such as ops@example.com")
    return value


MONITORING_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field(
        "dashboard",
        schema.boolean,
        False,
        "true",
        "`true` adds a [dashboard](alerts.md#dashboard) in Amazon CloudWatch",
    ),
    schema.Field(
        "alarmEmail",
        _mail_address,
        None,
        "ops@example.com",
        "E-mail address that gets [alarms](alerts.md#alarms): silence, faults, drift of confidence",
    ),
    schema.Field(
        ACTIONS_KEY,
        values.actions,
        (),
        ACTIONS_EXAMPLE,
        "[Actions on predictions](alerts.md#actions-on-predictions): a label, a score, and where "
        "the message goes; JSON, or the path of a file",
    ),
)
"""The attributes of ``Settings`` that only the stacks of the second generation have."""


def faults_of_monitoring(parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults between these keys and others."""
    actions: tuple[LabelAction, ...] = parsed[ACTIONS_KEY]
    if not actions:
        return
    if parsed["messageFormat"] != "envelope":
        rule = (
            "requires messageFormat=envelope: a rule of AWS IoT reads keys, which a message of the "
            "format list does not have"
        )
        yield schema.Fault(ACTIONS_KEY, _names(actions), rule, "-c messageFormat=envelope")
    first = actions[0].target
    key, (region, account) = next(
        iter(_places(parsed)), (actions[0].name, (first.region, first.account))
    )
    for number, action in enumerate(actions):
        if (action.target.region, action.target.account) != (region, account):
            rule = f"must be in the account and Region of {key}, {account} and {region}"
            yield schema.Fault(f"{ACTIONS_KEY}.{number}.target", action.target.arn, rule)


def refused_with_v1(
    given: Mapping[str, object], parsed: Mapping[str, Any]
) -> Iterable[schema.Fault]:
    """Yield the fault of each of these keys, which the first generation does not have."""
    for key in ("dashboard", "alarmEmail", ACTIONS_KEY, "localTopic"):
        if parsed[key]:
            rule = "requires greengrassVersion=2: nothing is added to the groups of V1"
            yield schema.Fault(key, given[key], rule, "-c greengrassVersion=2")


def _places(parsed: Mapping[str, Any]) -> Iterable[tuple[str, tuple[str, str]]]:
    """Yield the account and Region that other keys name."""
    for key in ("certificateId", "kmsKeyArn"):
        if parsed[key] and (found := _place(parsed[key])):
            yield key, found


def _place(arn: str) -> tuple[str, str] | None:
    match = _ARN.fullmatch(arn)
    return (match[1], match[2]) if match else None


def _names(actions: tuple[LabelAction, ...]) -> str:
    return ", ".join(action.name for action in actions)
