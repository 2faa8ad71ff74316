"""``mli fleet status``: whether the cores of a fleet are there, see, and run what is deployed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ...aws import Clients, aws_options, clients, explain
from ...cli.output import Output, examples, reporting, terminal_cells
from ...cli.owner_names import FleetName
from ...device.stacks.fleet import FleetStack
from ...errors import MliError
from ..folder import fleet_folder
from ..journal import Journal
from ..options import folder_option
from .core_rows import report_of
from .rotations import BegunRotation, begun_rotations
from .status_table import summary, table

ATTENTION = 3
"""Exit status if a core needs somebody: not 1, by which the command says that it could not ask."""

_EXAMPLES = examples(
    "mli fleet status shop-floor",
    "mli fleet status shop-floor --json",
)


@click.command("status", epilog=_EXAMPLES)
@click.argument("fleet_name", type=FleetName())
@folder_option
@aws_options
@reporting
def fleet_status(
    output: Output,
    fleet_name: str,
    folder: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Show each core of the fleet FLEET_NAME in one line, by its newest telemetry.

    Rotations that have begun are listed, if the folder with their journal is here. The exit status
    is 0 if all cores were heard within three intervals, without a fault, and none has failed the
    latest deployment; 3 if a core needs attention; 1 if the query failed.
    """
    of = clients(region, aws_profile)
    found = FleetStack.find(of, fleet_name)
    report = report_of(of, found)
    rotations = _rotations(of, found, folder, output)
    if not report.rows:
        text = (
            f"the fleet {fleet_name} has no cores\nnext: mli fleet cores.csv --fleet {fleet_name}"
        )
    else:
        text = f"{table(report, terminal_cells())}\n{summary(report, fleet_name)}"
    text += "".join(f"\n{one}" for one in rotations)
    values = {
        "fleet": fleet_name,
        "good": not report.bad,
        "version": report.version,
        "configuration": report.configuration,
        "rotations": [one.to_json() for one in rotations],
        "cores": [row.to_json() for row in report.rows],
    }
    output.result(values, text)
    if report.bad:
        sys.exit(ATTENTION)


def _rotations(
    clients: Clients, fleet: FleetStack, folder: Path | None, output: Output
) -> list[BegunRotation]:
    """Return the rotations of the journal; one without use is a fault only if it was named.

    Raises:
        MliError: if the named folder has the journal of another fleet.
        OSError: if it cannot be read.
    """
    try:
        with Journal.of_fleet(fleet_folder(folder, fleet.name), fleet, dry_run=True) as journal:
            return begun_rotations(clients("iot"), journal)
    except (MliError, OSError) as error:  # such as a folder that only another user may read
        if folder is not None:
            raise
        output.say(f"rotations are not shown: {explain(error)}")
        return []
