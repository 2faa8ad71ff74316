"""``mli fleet status``: whether the cores of a fleet are there, see, and run what is deployed."""

from __future__ import annotations

import sys

import click

from ...aws import aws_options, clients
from ...cli.output import Output, examples, reporting, terminal_cells
from ...cli.owner_names import FleetName
from ...device.stacks.fleet import FleetStack
from .core_rows import report_of
from .status_table import summary, table

ATTENTION = 3
"""Exit status if a core needs somebody: not 1, by which the command says that it could not ask."""

_EXAMPLES = examples(
    "mli fleet status shop-floor",
    "mli fleet status shop-floor --json",
)


@click.command("status", epilog=_EXAMPLES)
@click.argument("fleet_name", type=FleetName())
@aws_options
@reporting
def fleet_status(
    output: Output, fleet_name: str, region: str | None, aws_profile: str | None
) -> None:
    """Show each core of the fleet FLEET in one line, by its newest telemetry.

    The exit status is 0 if all cores were heard within three intervals, without a fault, and none
    has failed the latest deployment; 3 if any was not or has; 1 if the command could not ask.
    """
    of = clients(region, aws_profile)
    report = report_of(of, FleetStack.find(of, fleet_name))
    if not report.rows:
        text = (
            f"the fleet {fleet_name} has no cores\nnext: mli fleet cores.csv --fleet {fleet_name}"
        )
    else:
        text = f"{table(report, terminal_cells())}\n{summary(report, fleet_name)}"
    values = {
        "fleet": fleet_name,
        "good": not report.bad,
        "version": report.version,
        "configuration": report.configuration,
        "cores": [row.to_json() for row in report.rows],
    }
    output.result(values, text)
    if report.bad:
        sys.exit(ATTENTION)
