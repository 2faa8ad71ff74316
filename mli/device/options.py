"""Options of the commands that provision devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from ..cli.options import Decorator, existing_file
from .keyfiles import ROOT_CA_VARIABLE

nucleus_option: Decorator = click.option(
    "--nucleus",
    type=click.Choice(["classic", "lite"]),
    default="classic",
    show_default=True,
    help="Nucleus on the device; not used with Greengrass V1.",
)

root_ca_option: Decorator = existing_file(
    "--root-ca",
    envvar=ROOT_CA_VARIABLE,
    help=f"Root certificate of the endpoints, if not Amazon's; or set {ROOT_CA_VARIABLE}.",
)


def key_folder_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--folder``, where a core's key and certificate are."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Folder of key and certificate; default: certs/NAME.",
    )(command)
