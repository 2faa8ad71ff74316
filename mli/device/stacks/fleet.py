"""The stack of a fleet, by its outputs: what all of its cores share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inference.names import CORE_NAME_PATTERN
from stacks import names

from ...aws import Clients
from ...errors import MliError
from ...listings import thing_groups
from .outputs import StackNotFoundError, output_of, parsed, read_outputs


@dataclass(frozen=True)
class FleetStack:
    """A deployed stack of a fleet: its Region, and its outputs by name.

    In the outputs, ``<coreName>`` stands for the name of a core.
    """

    name: str
    region: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, clients: Clients, fleet_name: str) -> FleetStack:
        """Find the stack of a fleet.

        Raises:
            StackNotFoundError: if there is none in this Region, or it was never complete.
        """
        stack = names.fleet_stack_name(fleet_name)
        region, outputs = read_outputs(clients, stack, key=f"fleetName={fleet_name}")
        return cls(fleet_name, region, outputs)

    @classmethod
    def of_thing(cls, clients: Clients, thing_name: str) -> FleetStack | None:
        """Find the stack of the fleet that a thing is in; None if there is none."""
        iot = clients("iot")
        try:
            groups = thing_groups(iot, thing_name)
        except iot.exceptions.ResourceNotFoundException:
            return None
        return cls.of_groups(clients, groups)

    @classmethod
    def of_groups(cls, clients: Clients, groups: Iterable[str]) -> FleetStack | None:
        """Find the first stack of a fleet that one of the thing groups is of; None if none is."""
        for group in groups:
            fleet = group.removesuffix(names.canary_group_name(""))
            for name in dict.fromkeys((group, fleet)):
                if not re.fullmatch(CORE_NAME_PATTERN, name):
                    continue  # no fleet is called so; AWS would refuse such a name of a stack
                try:
                    return cls.find(clients, name)
                except StackNotFoundError:
                    continue
        return None

    @property
    def group_arn(self) -> str:
        """The thing group of the fleet, which has the fleet's name."""
        return self._output("DeploymentTarget")

    @property
    def canary_arn(self) -> str | None:
        """The thing group that gets each deployment first, if the fleet has a canary."""
        return self.outputs.get("CanaryTarget")

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all thing groups of the fleet's stack."""
        return (self.name, names.canary_group_name(self.name))[: 2 if self.canary_arn else 1]

    def check_group(self, clients: Clients) -> None:
        """Check that the thing group of the fleet is there, before a core is taken into it.

        Raises:
            MliError: if somebody has deleted it.
        """
        iot = clients("iot")
        try:
            iot.describe_thing_group(thingGroupName=self.name)
        except iot.exceptions.ResourceNotFoundException:
            raise MliError(
                f"the thing group {self.name}, which the stack of the fleet has created, is gone: "
                f"`aws iot create-thing-group --thing-group-name {self.name}` creates it again"
            ) from None

    def target_of(self, clients: Clients, thing_name: str) -> str:
        """Return the ARN of the group by whose deployments a thing of the fleet gets its own."""
        if self.canary_arn is not None:
            groups = thing_groups(clients("iot"), thing_name)
            if names.canary_group_name(self.name) in groups and self.name not in groups:
                return self.canary_arn
        return self.group_arn

    @property
    def place(self) -> str:
        """The Region and the account."""
        return ":".join(self.group_arn.split(":")[3:5])

    def outputs_of(self, core_name: str) -> Mapping[str, str]:
        """Return the outputs as those of one core of the fleet."""
        return {
            name: text.replace(names.CORE_PLACEHOLDER, core_name)
            for name, text in self.outputs.items()
        }

    def configuration_of(self, core_name: str) -> dict[str, Any]:
        """Return the output ``GreengrassConfig`` for one core.

        Raises:
            MliError: if it is not what the stacks of this project write.
        """
        text = self._output("GreengrassConfig").replace(names.CORE_PLACEHOLDER, core_name)
        return parsed(text, "GreengrassConfig")

    def policies_of(self, core_name: str) -> dict[str, str]:
        """Return the documents of the policies of one core's certificate, by their full names.

        Raises:
            MliError: if the output ``CorePolicies`` is not what the stacks of this project write.
        """
        text = self._output("CorePolicies").replace(names.CORE_PLACEHOLDER, core_name)
        return {
            f"{core_name}_{kind}": json.dumps(document, sort_keys=True)
            for kind, document in parsed(text, "CorePolicies").items()
        }

    def _output(self, name: str) -> str:
        return output_of(self.outputs, name, names.fleet_stack_name(self.name))
