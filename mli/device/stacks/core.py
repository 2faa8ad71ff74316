"""Finds the resources of a core by the outputs of its stack, or of its fleet's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks import names

from ...aws import Clients
from .fleet import FleetStack
from .outputs import StackNotFoundError, output_of, parsed, read_outputs

_TARGET = "DeploymentTarget"


@dataclass(frozen=True)
class CoreStack:
    """A deployed core: its Region, and the outputs of its stack by name.

    A core of a fleet has the outputs of the fleet's stack, with its own name in them, and with the
    group that it is in, which may be the canary's. ``fleet`` is the fleet's name.
    """

    core_name: str
    region: str
    outputs: Mapping[str, str]
    fleet: str = ""

    @classmethod
    def find_or_thing(cls, clients: Clients, core_name: str) -> CoreStack:
        """Find the stack of a core or of its fleet; for a core without one, its thing is enough.

        Raises:
            StackNotFoundError: if there is none of them.
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
            outputs = {_TARGET: found["thingArn"]}
            return cls(core_name, str(iot.meta.region_name), outputs)

    @classmethod
    def find(cls, clients: Clients, core_name: str) -> CoreStack:
        """Find the stack of a core, or of the fleet that its thing is in.

        Raises:
            StackNotFoundError: if there is neither in this Region, or it was never complete.
        """
        try:
            stack = names.stack_name(core_name)
            region, outputs = read_outputs(clients, stack, key=f"coreName={core_name}")
        except StackNotFoundError:
            thing = names.thing_name(core_name)
            fleet = FleetStack.of_thing(clients, thing)
            if fleet is None:
                raise
            own = {_TARGET: fleet.target_of(clients, thing)}
            return cls(core_name, fleet.region, {**fleet.outputs_of(core_name), **own}, fleet.name)
        return cls(core_name, region, outputs)

    @property
    def thing_name(self) -> str:
        """The core's thing."""
        return names.thing_name(self.core_name)

    @property
    def component(self) -> str:
        """The name of the component that is deployed to the core."""
        if self.fleet:
            return names.fleet_component_name(self.fleet)
        return names.component_name(self.core_name)

    @property
    def deployment_target(self) -> str:
        """The ARN that V2 deploys to.

        Raises:
            MliError: if the stack has no such output.
        """
        return self.output(_TARGET)

    def configuration(self) -> dict[str, Any]:
        """Return the output ``GreengrassConfig``, parsed.

        Raises:
            MliError: if it is not what the stacks of this project write.
        """
        return parsed(self.output("GreengrassConfig"), "GreengrassConfig")

    def output(self, name: str) -> str:
        """Return one output.

        Raises:
            MliError: if the stack has none of that name.
        """
        owner = names.fleet_stack_name(self.fleet) if self.fleet else None
        return output_of(self.outputs, name, owner or names.stack_name(self.core_name))
