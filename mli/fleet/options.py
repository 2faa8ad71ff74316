"""Options that several commands of ``mli fleet`` take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..aws import Clients, aws_options, clients
from ..cli.options import Decorator, RenamedOption, dry_run_option
from ..cli.owner_names import FleetName
from ..device.stacks.fleet import FleetStack
from .folder import fleet_folder
from .journal import Journal

fleet_option: Decorator = click.option(
    "--fleet",
    "fleet_name",
    type=FleetName(),
    required=True,
    help="The fleet that the cores join: the fleetName of its stack.",
)

folder_option: Decorator = click.option(
    "--output",
    "--out",
    "folder",
    cls=RenamedOption,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder for the archives and the journal; default: fleet/FLEET.",
)

workers_option: Decorator = click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Cores to work on at once. AWS IoT accepts about ten requests of one kind per second.",
)

yes_option: Decorator = click.option(
    "--yes", is_flag=True, help="Delete what was listed; without it, nothing is deleted."
)


@dataclass(frozen=True)
class ManyCores:
    """What the options of a command for many cores say: where it works, and how."""

    clients: Clients
    folder: Path | None
    workers: int
    dry_run: bool

    def place(self, fleet: FleetStack) -> Path:
        """Return the folder of a fleet."""
        return fleet_folder(self.folder, fleet.name)

    def journal(self, fleet: FleetStack, *, only_reads: bool = False) -> Journal:
        """Open the journal of a fleet."""
        return Journal.of_fleet(self.place(fleet), fleet, dry_run=only_reads)


def many_cores_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of ``ManyCores``, which it gets as ``many``."""

    @folder_option
    @workers_option
    @dry_run_option
    @aws_options
    @functools.wraps(command)
    def run(
        *arguments: Any,
        folder: Path | None,
        workers: int,
        dry_run: bool,
        region: str | None,
        aws_profile: str | None,
        **options: Any,
    ) -> None:
        many = ManyCores(clients(region, aws_profile), folder, workers, dry_run)
        command(*arguments, many=many, **options)

    return run
