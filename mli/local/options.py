"""Options that several commands of the local cloud share."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from local_core.cloud import DEFAULT_REGION
from local_core.nucleus.dialect import CLASSIC, NUCLEI

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


nucleus_option = click.option(
    "--nucleus",
    type=click.Choice(list(NUCLEI)),
    default=CLASSIC.name,
    show_default=True,
    help="The nucleus that a V2 core behaves like.",
)


def region_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--region``."""
    return click.option(
        "--region",
        metavar="REGION",
        default=DEFAULT_REGION,
        show_default=True,
        callback=_checked,
        help="The AWS Region that the local cloud replaces.",
    )(command)


def _checked(context: click.Context, option: click.Parameter, value: str) -> str:
    if not _REGION.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not the name of a Region, such as eu-west-1")
    return value
