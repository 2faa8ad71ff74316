"""Greengrass V2 as one of the generations that a local core can be of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..setup import CoreConfiguration
from .configuration import read_configuration, write_configuration
from .core import V2Device


class GenerationV2:
    """A core with a nucleus and components."""

    configuration_name = "config.yaml"
    device_folder = "/greengrass/v2"
    listing_command = "aws greengrassv2 list-effective-deployments --core-device-thing-name {thing}"
    after_deploy = ""
    write_configuration = staticmethod(write_configuration)
    read_configuration = staticmethod(read_configuration)

    def thing_name(self, configuration: Mapping[str, Any]) -> str:
        """Return the thing that a set-up archive's configuration names."""
        name: str = configuration["system"]["thingName"]
        return name

    def device(self, configuration: CoreConfiguration, **options: Any) -> V2Device:
        """Return the core."""
        return V2Device(configuration, **options)

    def prepare_account(self, client: Callable[[str], Any]) -> None:
        """Do nothing: V2's roles are in the stack."""

    def finish_deployment(self, client: Callable[[str], Any], outputs: Mapping[str, str]) -> None:
        """Do nothing: the deployment is in the stack."""

    def short_name(self, part: str) -> str:
        """Return a component's name."""
        return part
