"""Options that several commands take, each with one name and one text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

LABELS_HELP = "Names of the classes, one per line."
PRESET_HELP = (
    "Model family, such as yolo11, whose form of outputs the core decodes; "
    "docs/profiles.md lists the families."
)
DRY_RUN_HELP = "Check everything, show what would be done, and stop."


def given_options() -> dict[str, str]:
    """Return the options that the command line of the current command has, by their parameters."""
    context = click.get_current_context()
    return {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if parameter.name is not None
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }


def refuse_given(*names: str, because: str) -> None:
    """Refuse options that would do nothing; those of the environment are not a mistake.

    Raises:
        click.UsageError: if the command line gives one of the parameters ``names``.
    """
    for name, option in given_options().items():
        if name in names:
            raise click.UsageError(f"{option} {because}")


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


def image_shape(text: str | None) -> tuple[int, ...] | None:
    """Read ``--input-shape``: four extents such as 1,3,224,224.

    Raises:
        click.UsageError: if it is anything else.
    """
    if text is None:
        return None
    try:
        extents = tuple(int(part) for part in text.split(","))
    except ValueError:
        extents = ()
    if len(extents) != 4 or min(extents) < 1:
        raise click.UsageError("--input-shape must be four numbers such as 1,3,224,224")
    return extents


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
    return seconds_option("--timeout", default, (1, longest), help="Longest time to wait.")


def seconds_option(name: str, default: float, limits: tuple[float, float], help: str) -> Decorator:
    """Give a command an option for a time in seconds, with its least and largest value."""
    return click.option(
        name,
        type=click.FloatRange(*limits),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help=help,
    )


def wait_option(what: str) -> Decorator:
    """Give a command ``--wait`` and ``--no-wait``; ``what`` is what it waits for."""
    return click.option(
        "--wait/--no-wait", default=True, show_default=True, help=f"Wait for {what}."
    )


def key_folder_option(what: str = "key and certificate", default: str = "certs/NAME") -> Decorator:
    """Give a command ``--folder``, where key and certificate are."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help=f"Folder of {what}; default: {default}.",
    )


def archive_option(help: str, **settings: Any) -> Decorator:
    """Give a command ``--output``, the archive for the device that it writes, as ``file``."""
    return click.option(
        "--output",
        "--out",
        "file",
        cls=RenamedOption,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=help,
        **settings,
    )


nucleus_option: Decorator = click.option(
    "--nucleus",
    type=click.Choice(["classic", "lite"]),
    default="classic",
    show_default=True,
    help="Nucleus on the device; Greengrass V1 has none.",
)

ROOT_CA_VARIABLE = "MLI_ROOT_CA"
"""Environment variable that names the root certificate of a local cloud."""


def _certificate(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse a file without a certificate before a command has created anything."""
    from cryptography import x509  # few commands need it

    try:
        if value is not None:
            x509.load_pem_x509_certificate(value.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{value} is not a certificate in PEM: {error}") from None
    return value


root_ca_option: Decorator = existing_file(
    "--root-ca",
    envvar=ROOT_CA_VARIABLE,
    callback=_certificate,
    help=f"Root certificate of the endpoints, if not Amazon's; or set {ROOT_CA_VARIABLE}.",
)
