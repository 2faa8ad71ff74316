"""Whether a stack rolls back, when what a new deployment must not do has to be allowed."""

from __future__ import annotations

import boto3


def is_rolling_back(stack: str) -> bool:
    """Return whether the stack with this id is going back to what it was before an update.

    A custom resource that fails then leaves the stack in a state in which it cannot be updated.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    """
    return "ROLLBACK" in status_of(stack)


def status_of(stack: str) -> str:
    """Return the status of the stack with this id."""
    found = boto3.client("cloudformation").describe_stacks(StackName=stack)
    return str(found["Stacks"][0]["StackStatus"])
