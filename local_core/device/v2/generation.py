"""Greengrass V2 as one of the generations that a local core can be of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..generation import Generation
from ..setup import CoreConfiguration
from .configuration import read_configuration, write_configuration
from .core import V2Device


class GenerationV2(Generation):
    """A core with a nucleus and components."""

    configuration_name = "config.yaml"
    device_folder = "/greengrass/v2"
    listing_command = "aws greengrassv2 list-effective-deployments --core-device-thing-name {thing}"

    def thing_name(self, configuration: Mapping[str, Any]) -> str:
        """Return the thing of the core that a configuration is for."""
        name: str = configuration["system"]["thingName"]
        return name

    def write_configuration(self, output: str, root: Path) -> Path:
        """Write the core's configuration file from the stack's output."""
        return write_configuration(output, root)

    def read_configuration(self, file: Path) -> CoreConfiguration:
        """Read the core's configuration file."""
        return read_configuration(file)

    def device(self, configuration: CoreConfiguration, **options: Any) -> V2Device:
        """Return the core."""
        return V2Device(configuration, **options)
