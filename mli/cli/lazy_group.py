"""A group of commands whose help needs none of their imports."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from inference.schema import nearest

_REPOSITORY = Path(__file__).resolve().parents[2]


class LazyCommand(NamedTuple):
    """Where a command is, and the line that the group's help shows for it."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """A group that imports a command only when it is called; its help comes from the table."""

    def __init__(self, *arguments: Any, table: Mapping[str, LazyCommand], **options: Any) -> None:
        """``table`` maps each command's name to where it is; help keeps this order."""
        super().__init__(*arguments, **options)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command ``cmd_name``."""
        if cmd_name not in self._table:
            return None
        found = self._table[cmd_name]
        command = getattr(importlib.import_module(found.module), found.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; if there is none of this name, name the nearest one."""
        if not ctx.resilient_parsing and (near := self.nearest(args[0])):
            ctx.fail(f"No such command {args[0]!r}; did you mean {near}?")
        return super().resolve_command(ctx, args)

    def nearest(self, word: str) -> str | None:
        """Return the command that a word is misspelt for, if any."""
        return None if word in self._table else nearest(word, self._table)

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke a command; report a package that is not installed in one line."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if error.name is None or (_REPOSITORY / error.name.split(".")[0]).exists():
                raise  # a module of this project: a mistake, not a missing package
            raise click.ClickException(
                f"this command needs the package {error.name}, which is not installed: "
                f"pip install -r {_REPOSITORY / 'requirements-dev.txt'}"
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.summary) for name, found in self._table.items()])
