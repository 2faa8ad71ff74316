"""Finds the resources of a core by the outputs of its stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
import click

from inference.names import CORE_NAME_PATTERN
from inference.schema import text
from stacks import names

from ..errors import MliError

Clients = Callable[[str], Any]
"""Returns the boto3 client of a service."""

_UNUSABLE = ("ROLLBACK_COMPLETE", "DELETE_COMPLETE", "CREATE_FAILED")


class StackNotFoundError(MliError):
    """A core has no stack in this Region, or one that was never completely deployed."""


class CoreName(click.ParamType):
    """A core's name, with the same rule as for ``-c coreName=``."""

    name = "CORE_NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail as wrong usage."""
        rule = "must be letters, digits, - and _, at most 64, the first a letter or digit"
        try:
            return text(CORE_NAME_PATTERN, rule)(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


@dataclass(frozen=True)
class CoreStack:
    """A deployed stack of one core: its Region, and its outputs by name."""

    core_name: str
    region: str
    outputs: Mapping[str, str]

    @classmethod
    def find_or_thing(cls, clients: Clients, core_name: str) -> CoreStack:
        """Find the stack; a core of a fleet has none, and its thing is enough.

        Raises:
            StackNotFoundError: if there is neither.
        """
        try:
            return cls.find(clients, core_name)
        except StackNotFoundError:
            iot = clients("iot")
            try:
                found = iot.describe_thing(thingName=names.thing_name(core_name))
            except iot.exceptions.ResourceNotFoundException:
                found = None
            if found is None or "thingArn" not in found:
                raise
            outputs = {"DeploymentTarget": found["thingArn"]}
            return cls(core_name, str(iot.meta.region_name), outputs)

    @classmethod
    def find(cls, clients: Clients, core_name: str) -> CoreStack:
        """Find the stack of a core.

        Raises:
            StackNotFoundError: if there is none in this Region, or it was never complete.
        """
        cloudformation = clients("cloudformation")
        region = str(cloudformation.meta.region_name)
        name = names.stack_name(core_name)
        try:
            found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise StackNotFoundError(
                f"there is no stack {name} in {region}: give the Region of the core with --region, "
                f"or deploy it first (npx cdk deploy -c coreName={core_name} …)"
            ) from None
        if found["StackStatus"] in _UNUSABLE or not found.get("Outputs"):
            raise StackNotFoundError(
                f"the stack {name} is {found['StackStatus']} and has no outputs: "
                "deploy it (npx cdk deploy …), then repeat"
            )
        outputs = {item["OutputKey"]: item["OutputValue"] for item in found["Outputs"]}
        return cls(core_name, region, outputs)

    @property
    def thing_name(self) -> str:
        """The core's thing."""
        return names.thing_name(self.core_name)

    @property
    def deployment_target(self) -> str:
        """The ARN that V2 deploys to.

        Raises:
            MliError: if the stack has no such output.
        """
        return self.output("DeploymentTarget")

    def configuration(self) -> dict[str, Any]:
        """Return the output ``GreengrassConfig``, parsed.

        Raises:
            MliError: if it is not what the stacks of this project write.
        """
        try:
            parsed = json.loads(self.output("GreengrassConfig"))
        except ValueError as error:
            raise MliError(f"the output GreengrassConfig is not JSON: {error}") from None
        if not isinstance(parsed, dict):
            raise MliError("the output GreengrassConfig is not an object")
        return parsed

    def output(self, name: str) -> str:
        """Return one output.

        Raises:
            MliError: if the stack has none of that name.
        """
        try:
            return self.outputs[name]
        except KeyError:
            raise MliError(
                f"the stack {names.stack_name(self.core_name)} has no output {name}: "
                "was it deployed by another version of this project? Deploy it again"
            ) from None
