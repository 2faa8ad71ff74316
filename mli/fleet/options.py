"""Options that several commands of ``mli fleet`` take, and the folder of a fleet."""

from __future__ import annotations

from pathlib import Path

import click

from ..cli.options import Decorator, RenamedOption
from ..cli.owner_names import FleetName
from ..errors import MliError

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
    help="Cores to work on at once. AWS IoT accepts about ten requests of a kind per second.",
)

yes_option: Decorator = click.option(
    "--yes", is_flag=True, help="Delete what was listed; without it, nothing is deleted."
)


def fleet_folder(folder: Path | None, fleet_name: str, *, dry_run: bool = False) -> Path:
    """Return the folder of a fleet, created with a rule that makes git ignore its content.

    A ``dry_run`` creates none.

    Raises:
        MliError: if there is a file in its place.
    """
    folder = folder or Path("fleet") / fleet_name
    if not folder.exists():
        if dry_run:
            return folder
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("*\n")
    elif not folder.is_dir():
        raise MliError(f"{folder} is not a folder")
    return folder
