"""Acknowledged findings of cdk-nag: each wildcard separately, on its own role."""

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from constructs import Construct


def acknowledge_wildcards(construct: Construct, resources: Sequence[str], reason: str) -> None:
    """Acknowledge the IAM ``resources`` that contain a wildcard, each for ``reason``."""
    for resource in resources:
        text = _nag_text(cdk.Stack.of(construct).resolve(resource))
        if "*" in text:
            cdk.Validations.of(construct).acknowledge(
                cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{text}]", reason=reason)
            )


def _nag_text(value: Any) -> str:
    """Return a resolved value as cdk-nag writes it: references in angle brackets."""
    if isinstance(value, str):
        return _in_brackets(value)  # a variable of IAM
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return "".join(_nag_text(part) for part in argument[1])
    if function == "Fn::Sub":
        return _in_brackets(str(argument))
    if function == "Fn::GetAtt":
        return f"<{argument[0]}.{argument[1]}>"
    return f"<{argument}>"


def _in_brackets(text: str) -> str:
    return text.replace("${", "<").replace("}", ">")
