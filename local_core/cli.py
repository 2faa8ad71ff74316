"""The command line of the local core. Commands load when they are called, so help is quick."""

from __future__ import annotations

import importlib

import click

from .own_environment import for_a_local_cloud

_COMMANDS = {
    "run": ("local_core.run", "Synthesise the app and run what its template deploys, here."),
    "cloud": ("local_core.start_cloud", "Start a cloud on this machine, and leave it up."),
    "core": ("local_core.start_core", "Be the device that greengrass-setup.zip was written for."),
    "infer": ("local_core.infer", "Predict on images with a model, without a core."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use; help shows their lines from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command ``cmd_name``."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run this project's inference on this machine, without AWS."""
    ctx.with_resource(for_a_local_cloud())
