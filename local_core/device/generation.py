"""Everything in which the generations of AWS IoT Greengrass differ for a local core."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from .mqtt import MqttConnection
from .setup import CoreConfiguration

ClientOf = Callable[[str], Any]
"""Returns a boto3 client of a service."""


class Device(Protocol):
    """A context in which a core works: connected, with what is deployed to it."""

    broker: MqttConnection

    @property
    def parts(self) -> tuple[str, ...]:
        """The components that ran here by their names, or a group's functions by their ARNs."""

    @property
    def deployed(self) -> tuple[str, ...]:
        """Those of ``parts`` that the last completed deployment has."""

    def log_of(self, part: str) -> Path | None:
        """Return the file that takes what a component or a function prints, once there is one."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Generation(ABC):
    """What differs between the generations; the defaults are for one that needs nothing more."""

    configuration_name: str
    """The core's configuration file in a set-up archive."""
    device_folder: str
    """Where a device has what the archive holds."""
    listing_command: str
    """What lists the deployments of a ``{thing}``."""
    has_nucleus = True
    """Whether its cores can have different nuclei."""
    after_deploy = ""
    """What a user does after each ``cdk deploy``; empty if there is nothing to do."""

    @abstractmethod
    def thing_name(self, configuration: Mapping[str, Any]) -> str:
        """Return the thing that a set-up archive's configuration names."""

    @abstractmethod
    def write_configuration(self, output: str, root: Path) -> Path:
        """Write the core's configuration file from the stack's output ``GreengrassConfig``.

        Raises:
            SetupError: if the output is not one of this generation's.
        """

    @abstractmethod
    def read_configuration(self, file: Path) -> CoreConfiguration:
        """Read the core's configuration file.

        Raises:
            SetupError: if something is missing from it.
        """

    @abstractmethod
    def device(self, configuration: CoreConfiguration, **options: Any) -> Device:
        """Return a core that is not running yet.

        ``options`` are its ``endpoint``, ``on_change``, which is called with each StateChange of a
        component, ``on_verdict``, and in tests those of the generation's own device.
        """

    def prepare_account(self, client: ClientOf) -> None:  # noqa: B027 - nothing by default
        """Do what a user does once per account, unless it is done."""

    def finish_deployment(  # noqa: B027 - nothing by default
        self, client: ClientOf, outputs: Mapping[str, str]
    ) -> None:
        """Do what a user does after ``cdk deploy``, from the stack's outputs."""

    def short_name(self, part: str) -> str:
        """Return a part of a device as people call it."""
        return part
