"""Custom resource by which a fleet whose first deployment has failed can be deployed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3

from .rollback import status_of

_CREATION_UNDONE = "ROLLBACK_IN_PROGRESS"
"""Other states with a rollback are of a fleet that was complete, and may have cores."""


def note(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Do nothing: the CDK CLI has set the protection before it creates the stack."""
    return "protection", {}


def lift_after_failed_creation(properties: Mapping[str, Any]) -> None:
    """Lift the termination protection of ``Stack`` if its creation is undone.

    A stack that was never complete takes no updates. The CLI deletes it and creates another.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-protect-stacks.html
    """
    stack = properties["Stack"]
    if status_of(stack) == _CREATION_UNDONE:
        boto3.client("cloudformation").update_termination_protection(
            StackName=stack, EnableTerminationProtection=False
        )
