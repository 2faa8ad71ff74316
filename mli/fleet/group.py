"""``mli fleet``: the commands for a fleet, each in a module of its own."""

from __future__ import annotations

from pathlib import Path

import click

from ..cli.lazy_group import LazyCommand, LazyGroup
from ..cli.output import examples

_ADD = "add"

COMMANDS = {
    _ADD: LazyCommand("mli.fleet.command", "fleet", "Provision cores from a list."),
    "status": LazyCommand(
        "mli.fleet.reports.status", "fleet_status", "Show which cores are alive, and what they run."
    ),
    "claim": LazyCommand(
        "mli.fleet.claims.claim",
        "claim",
        "Let devices provision themselves: certificate and archive.",
    ),
    "import": LazyCommand(
        "mli.fleet.importing", "import_cores", "Take in cores whose things exist already."
    ),
    "canary": LazyCommand(
        "mli.fleet.canary", "canary", "Choose cores that get deployments first; give the verdict."
    ),
    "rotate": LazyCommand(
        "mli.fleet.rotating.rotate", "rotate", "Give a core a new key and certificate."
    ),
    "remove": LazyCommand(
        "mli.fleet.removing.remove", "remove", "Remove cores from a fleet, and delete them in AWS."
    ),
    "retire": LazyCommand("mli.fleet.removing.retire", "retire", "Remove all cores of a fleet."),
}
"""Each command by its name, in the order of a fleet's life."""

_EXAMPLES = examples(
    "mli fleet cores.csv --fleet shop-floor      # the same as `mli fleet add cores.csv …`",
    "mli fleet status shop-floor",
    "mli fleet claim shop-floor",
    "mli fleet remove shop-floor press-1 --dry-run",
)


class _FleetGroup(LazyGroup):
    """A group that takes a list of cores too, and then adds them: the most frequent command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an argument that is not a command is one of ``add``."""
        if args and not ctx.resilient_parsing and self._is_list(args[0]):
            args = [_ADD, *args]
        return super().resolve_command(ctx, args)

    def _is_list(self, word: str) -> bool:
        """Return whether a word is the name of a list, and no command, not even a misspelt one."""
        if word in COMMANDS:
            return False
        return "." in word or Path(word).exists() or self.nearest(word) is None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave options that come before the list, such as ``--fleet``, to ``add``."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = [_ADD, *args]
        return super().parse_args(ctx, args)


@click.group("fleet", epilog=_EXAMPLES, cls=_FleetGroup, table=COMMANDS)
def fleet() -> None:
    """Create the cores of a fleet, change them, and remove them.

    A fleet is a stack (`npx cdk deploy -c fleetName=…`). Its cores are created by API calls, so
    these commands can be repeated: each continues where it ended.
    """
