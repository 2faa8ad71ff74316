"""Statements of AWS IoT rules, and the trust of the roles with which rules act.

https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html
"""

import re
from collections.abc import Callable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from inference import names as device_names
from stacks import arns
from stacks.names import StackNames

VERSION = "2016-03-23"

_PLAIN = re.compile(r"[^'\\$]+")


def text(value: str) -> str:
    """Return an expression whose value is this text, which has at least one character.

    A quote, a backslash and the dollar sign, with which a substitution template begins, are
    characters by their number: nothing that AWS documents escapes them.
    """
    parts = []
    position = 0
    while position < len(value):
        plain = _PLAIN.match(value, position)
        if plain:
            parts.append(f"'{plain[0]}'")
            position = plain.end()
        else:
            parts.append(f"chr({ord(value[position])})")
            position += 1
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"


def source(topic: Callable[[str], str], own: StackNames) -> str:
    """Return FROM and, for a fleet, WHERE of a statement about this core or fleet.

    ``topic`` returns the topic of a core. A topic does not name its core's fleet, and a core may
    join a fleet at any time. So the rule of a fleet sees the messages of all cores, and takes those
    of its own component. A core may write what it likes into a message, but only under its own
    name.
    """
    is_fleet = own.core == device_names.ANY_CORE
    whole = f"FROM '{topic('+' if is_fleet else own.core)}'"
    return f"{whole} WHERE component = '{own.component}'" if is_fleet else whole


def trust(rule_name: str) -> iam.ServicePrincipal:
    """Return who may take a role: AWS IoT, for the rule with this name in the stack's account.

    The name may end in ``*``.
    """
    return iam.ServicePrincipal(
        "iot.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": arns.regional_arn("iot", f"rule/{rule_name}")},
        },
    )
