"""The generations of AWS IoT Greengrass, and everything in which they differ for a local core.

V1 is in the ``v1`` folders and behind this interface only: without them and its line in
``GENERATIONS`` there is no V1. The cloud's side has a table of its own, in ``cloud/assembly.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from .device.mqtt import MqttConnection
from .device.setup import CoreConfiguration
from .device.v1.generation import GenerationV1
from .device.v2.generation import GenerationV2
from .nucleus.lifecycle import StateChange

ClientOf = Callable[[str], Any]
"""Returns a boto3 client of a service."""


class Device(Protocol):
    """A context in which a core works: connected, with what is deployed to it."""

    broker: MqttConnection

    @property
    def parts(self) -> tuple[str, ...]:
        """The components by their names, or a group's functions by their ARNs."""

    def log_of(self, part: str) -> Path | None:
        """Return the file that takes what a component or a function prints, once there is one."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Generation(Protocol):
    """What differs between the generations."""

    configuration_name: str
    """The core's configuration file in a set-up archive."""
    device_folder: str
    """Where a device has what the archive holds."""
    listing_command: str
    """What lists the deployments of a ``{thing}``."""
    after_deploy: str
    """What a user does after each ``cdk deploy``; empty if there is nothing to do."""

    def thing_name(self, configuration: Mapping[str, Any]) -> str:
        """Return the thing that a set-up archive's configuration names."""

    def write_configuration(self, output: str, root: Path) -> Path:
        """Write the core's configuration file from the stack's output ``GreengrassConfig``.

        Raises:
            SetupError: if the output is none of this generation's.
        """

    def read_configuration(self, file: Path) -> CoreConfiguration:
        """Read the core's configuration file.

        Raises:
            SetupError: if something is missing from it.
        """

    def device(
        self,
        configuration: CoreConfiguration,
        *,
        endpoint: str,
        on_change: Callable[[StateChange], None],
        on_verdict: Callable[[str, str], None],
        **options: Any,
    ) -> Device:
        """Return a core that is not running yet; ``options`` are for tests."""

    def prepare_account(self, client: ClientOf) -> None:
        """Do what a user does once per account, unless it is done."""

    def finish_deployment(self, client: ClientOf, outputs: Mapping[str, str]) -> None:
        """Do what a user does after ``cdk deploy``, from the stack's outputs."""

    def short_name(self, part: str) -> str:
        """Return a part of a device as people call it."""


GENERATIONS: Mapping[int, Generation] = {
    2: GenerationV2(),
    1: GenerationV1(),
}
