"""Options that several commands take, each with one name and one text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

LABELS_HELP = "Names of the classes, one per line."
PRESET_HELP = (
    "Family of the model, whose form of outputs the core decodes, such as yolo11; "
    "docs/profiles.md lists them."
)
DRY_RUN_HELP = "Check everything, show what would be done, and stop."


class RenamedOption(click.Option):
    """An option that still accepts its former names, and shows only the first in help."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return name and help without the former names."""
        accepted, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = accepted


def existing_file(*names: str, help: str, **settings: Any) -> Decorator:
    """Give a command an option that names a file to read, as a ``Path``."""
    kind = click.Path(path_type=Path, exists=True, dir_okay=False)
    return click.option(*names, type=kind, metavar="FILE", help=help, **settings)


def labels_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--labels``, a file with the names of the classes."""
    return click.option(
        "--labels",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help=LABELS_HELP,
    )(command)


def dry_run_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help=DRY_RUN_HELP)(command)


def timeout_option(default: float, longest: float) -> Decorator:
    """Give a command ``--timeout``, with this default and largest value in seconds."""
    return click.option(
        "--timeout",
        type=click.FloatRange(1, longest),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help="Longest time to wait.",
    )


def wait_option(what: str) -> Decorator:
    """Give a command ``--wait`` and ``--no-wait``; ``what`` is what it waits for."""
    return click.option(
        "--wait/--no-wait", default=True, show_default=True, help=f"Wait for {what}."
    )


def key_folder_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--folder``, where a core's key and certificate are."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Folder of key and certificate; default: certs/NAME.",
    )(command)


nucleus_option: Decorator = click.option(
    "--nucleus",
    type=click.Choice(["classic", "lite"]),
    default="classic",
    show_default=True,
    help="Nucleus on the device; not used with Greengrass V1.",
)

ROOT_CA_VARIABLE = "MLI_ROOT_CA"
"""Environment variable that names the root certificate of a local cloud."""

root_ca_option: Decorator = existing_file(
    "--root-ca",
    envvar=ROOT_CA_VARIABLE,
    help=f"Root certificate of the endpoints, if not Amazon's; or set {ROOT_CA_VARIABLE}.",
)
