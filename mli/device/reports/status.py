"""``mli status``: what a core runs, how its deployments went, and why one failed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from local_core.output.terminal import shown_line

from ...aws import Clients, aws_options, clients
from ...cli.output import FAILED as EXIT_FAILED
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName
from ..certificates.attachments import foreign_attachments
from ..generations.core_state import AWS_PREFIX, FAILED, CoreState
from ..generations.table import generation_of
from ..stacks.core import CoreStack
from .liveness import Health, Liveness, liveness_of
from .status_log import from_cloudwatch, from_folder

_EXAMPLES = examples(
    "mli status Demo",
    "mli status Demo --json",
    "sudo .venv/bin/mli status Demo --logs /greengrass/v2/logs   # on the core",
)
_SHOWN_DEPLOYMENTS = 5


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName())
@click.option(
    "--logs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Logs of the core, on the core itself or copied from it; default: CloudWatch Logs.",
)
@aws_options
@reporting
def status(
    output: Output,
    core_name: str,
    logs: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Show the core CORE_NAME: its components, its latest deployments, and why one failed.

    For a core of Greengrass V2 its newest telemetry is shown too: cameras, faults, pace, settings.
    The exit status is 1 unless the core runs what was last deployed to it, and has reported within
    three intervals of its telemetry, without a fault.
    """
    of = clients(region, aws_profile)
    stack = CoreStack.find_or_thing(of, core_name)
    state = generation_of(stack).state(of, stack)
    lines = explaining_lines(of, stack, state, logs)
    is_asked = state.generation == 2 and state.has_connected
    liveness = liveness_of(of, stack) if is_asked else None
    is_good = state.is_good and (liveness is None or liveness.is_good)
    warnings = foreign_attachments(of("iot"), core_name, stack.thing_name)
    for warning in warnings:
        output.say(f"warning: {warning}")
    values = {**state.to_json(), "good": is_good, "logLines": lines, "warnings": warnings}
    if liveness is not None:
        values["liveness"] = liveness.to_json()
    output.result(values, describe(stack, state, lines, liveness))
    if not is_good:
        sys.exit(EXIT_FAILED)


def explaining_lines(
    clients: Clients, stack: CoreStack, state: CoreState, folder: Path | None
) -> dict[str, str]:
    """Return the log line that explains each failed component; without a failure there is none."""
    failed = state.latest is not None and state.latest.status in FAILED
    wanted = [c.name for c in state.components if c.is_bad]
    if failed and not wanted:
        wanted = [c.name for c in state.components if not c.name.startswith(AWS_PREFIX)]
    found = {}
    for component in wanted:
        if folder is not None:
            line = from_folder(folder, component)
        else:
            line = from_cloudwatch(clients("logs"), stack.region, component, stack.thing_name)
        if line:
            found[component] = line
    return found


def describe(
    stack: CoreStack, state: CoreState, lines: dict[str, str], liveness: Liveness | None = None
) -> str:
    """Return the state as a person reads it."""
    if not state.has_connected:
        return f"{state.core_name} has never connected. Next:\n  mli package {state.core_name}"
    text = [f"{stack.thing_name}: {state.summary}"]
    width = max([len(c.name) for c in state.components], default=0)
    for component in state.components:
        line = f"  {component.name:{width}} {component.version:9} {component.state}"
        text.append(f"{line} {component.detail}".rstrip())
    text += liveness.lines() if liveness else []
    for deployment in state.deployments[:_SHOWN_DEPLOYMENTS]:
        line = f"  deployment {deployment.id} {deployment.status}"
        text.append(f"{line}: {deployment.reason}" if deployment.reason else line)
    if state.outcome:
        text.append(f"  now: {state.outcome}")
    text += [f"  log of {component}: {line}" for component, line in lines.items()]
    return "\n".join(map(shown_line, [*text, *_advice(stack, state, lines, liveness)]))


def _advice(
    stack: CoreStack, state: CoreState, lines: dict[str, str], liveness: Liveness | None
) -> list[str]:
    name, latest = state.core_name, state.latest
    logs = generation_of(stack).log_commands(state)
    is_broken = any(component.is_bad for component in state.components)
    is_gone = liveness is not None and liveness.health is Health.SILENT and not is_broken
    if liveness is not None and (state.is_good or is_gone):
        service = "greengrass-lite.target" if state.is_lite else "greengrass"
        return [liveness.advice(name, service, logs[0].partition("#")[0].strip())]
    if state.is_good:  # of a core without telemetry here: why nothing arrives, only its log says
        return ["Next:", f"  mli watch {name}", *(f"  {one}" for one in logs)]
    if latest is None or latest.is_under_way:
        return ["Next:", f"  mli redeploy {name}"]
    return [
        "Next, when the cause is fixed:",
        *(f"  {one}" for one in (() if lines else logs)),
        f"  mli redeploy {name}",
    ]
