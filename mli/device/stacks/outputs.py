"""The outputs of a deployed stack of this project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import botocore.exceptions

from ...aws import Clients
from ...errors import MliError

_UNUSABLE = ("ROLLBACK_COMPLETE", "DELETE_COMPLETE", "CREATE_FAILED")


class StackNotFoundError(MliError):
    """There is no such stack in this Region, or it was never completely deployed."""


def read_outputs(clients: Clients, stack: str, *, key: str) -> tuple[str, Mapping[str, str]]:
    """Return the Region and the outputs of a stack; ``key`` is the context key that deploys it.

    Raises:
        StackNotFoundError: if there is none in this Region, or it was never complete.
    """
    cloudformation = clients("cloudformation")
    region = str(cloudformation.meta.region_name)
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except botocore.exceptions.ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise StackNotFoundError(
            f"there is no stack {stack} in {region}: give its Region with --region, "
            f"or deploy it first (npx cdk deploy -c {key} …)"
        ) from None
    if found["StackStatus"] in _UNUSABLE or not found.get("Outputs"):
        raise StackNotFoundError(
            f"the stack {stack} is {found['StackStatus']} and has no outputs: "
            "deploy it (npx cdk deploy …), then repeat"
        )
    return region, {item["OutputKey"]: item["OutputValue"] for item in found["Outputs"]}


def stack_status(clients: Clients, stack: str) -> str:
    """Return the status of a stack, such as ``UPDATE_COMPLETE``; "" if there is none."""
    cloudformation = clients("cloudformation")
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except botocore.exceptions.ClientError as error:
        if "does not exist" not in str(error):
            raise
        return ""
    return str(found["StackStatus"])


def output_of(outputs: Mapping[str, str], name: str, stack: str) -> str:
    """Return one output of a stack.

    Raises:
        MliError: if the stack has none of that name.
    """
    try:
        return outputs[name]
    except KeyError:
        raise MliError(
            f"the stack {stack} has no output {name}: "
            "was it deployed by another version of this project? Deploy it again"
        ) from None


def parsed(text: str, name: str) -> dict[str, Any]:
    """Return the output ``name``, whose ``text`` is a JSON object.

    Raises:
        MliError: if it is not what the stacks of this project write.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise MliError(f"the output {name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise MliError(f"the output {name} is not an object")
    return found
