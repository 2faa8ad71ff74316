"""The command line of the tools. Commands load when they are called, so help is quick."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "train": "Train a detector or a classifier on Amazon SageMaker.",
    "compile": "Compile a model for DLR, with SageMaker Neo or on this machine.",
    "profile": "Say what an artifact holds, propose its profile, and try it on an image.",
    "certificate": "Make a core's key and certificate, or the request for one.",
    "package": "Write what a device needs to become the core: greengrass-setup.zip.",
    "deploy": "Repeat a core's deployment, and wait until the core has carried it out.",
    "status": "Show a core's components, its deployments, and why one failed.",
    "watch": "Print predictions and telemetry as they come.",
    "fleet": "Provision many cores from a list, resumable after a failure.",
    "templates": "Check the templates of many cores, and show what changed in them.",
}
"""A command NAME is the attribute NAME of the module ``tools.NAME``; help keeps this order."""


class LazyGroup(click.Group):
    """A group whose commands are imported on use; help shows their lines from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command ``cmd_name``."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"tools.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Take a trained model to a running core, one command a step.

    Each command checks its inputs first, shows progress on stderr, can be repeated, and says what
    to do next. `python -m tools COMMAND --help` has examples; with --json a command's result is one
    JSON object on stdout, for scripts. Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped.
    """
