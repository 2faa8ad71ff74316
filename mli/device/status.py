"""``status``: what a core runs, how its deployments went, and the line that explains a failure."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..aws import aws_options, clients
from ..cli.output import FAILED as EXIT_FAILED
from ..cli.output import Output, examples, reporting
from .core_stack import Clients, CoreName, CoreStack
from .core_state import FAILED, CoreState, read_state
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
    help="The folder of the core's logs, on the core or copied from it; else CloudWatch is asked.",
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
    """Show the core CORE_NAME: its components, its last deployments, and why one failed.

    The exit status is 1 unless the core runs what it was last told to run.
    """
    of = clients(region, aws_profile)
    stack = CoreStack.find_or_thing(of, core_name)
    state = read_state(of, stack)
    lines = explaining_lines(of, stack, state, logs)
    output.result({**state.to_json(), "logLines": lines}, describe(stack, state, lines))
    if not state.is_good:
        sys.exit(EXIT_FAILED)


def explaining_lines(
    clients: Clients, stack: CoreStack, state: CoreState, folder: Path | None
) -> dict[str, str]:
    """Return by component the log line that says why it failed; looked for only if one did."""
    failed = state.latest is not None and state.latest.status in FAILED
    wanted = [c.name for c in state.components if c.is_bad]
    if failed and not wanted:
        wanted = [c.name for c in state.components if not c.name.startswith("aws.greengrass.")]
    found = {}
    for component in wanted:
        if folder is not None:
            line = from_folder(folder, component)
        else:
            line = from_cloudwatch(clients("logs"), stack.region, component, stack.thing_name)
        if line:
            found[component] = line
    return found


def describe(stack: CoreStack, state: CoreState, lines: dict[str, str]) -> str:
    """Return the state as people read it."""
    if state.generation == 2 and not state.device:
        return f"{state.core_name} has never connected. Next:\n  mli package {state.core_name}"
    text = []
    if state.generation == 2:
        text.append(
            f"{stack.thing_name}: {state.device}, nucleus {state.nucleus}, last seen {state.seen}"
        )
    else:
        text.append(f"{stack.thing_name}: group {stack.target} (Greengrass V1)")
    width = max([len(c.name) for c in state.components], default=0)
    for component in state.components:
        line = f"  {component.name:{width}} {component.version:9} {component.state}"
        text.append(f"{line} {component.detail}".rstrip())
    for deployment in state.deployments[:_SHOWN_DEPLOYMENTS]:
        line = f"  deployment {deployment.id} {deployment.status}"
        text.append(f"{line}: {deployment.reason}" if deployment.reason else line)
    text += [f"  log of {component}: {line}" for component, line in lines.items()]
    return "\n".join([*text, *_advice(state, lines)])


def _advice(state: CoreState, lines: dict[str, str]) -> list[str]:
    name, latest = state.core_name, state.latest
    if state.is_good:
        return ["Next:", f"  mli watch {name}"]
    if latest is None or latest.is_under_way:
        return ["Next:", f"  mli redeploy {name}"]
    hint = []
    if not lines and state.generation == 2:
        hint = [
            f"  sudo tail -50 /greengrass/v2/logs/DlrInference.{name}.log    # on the core",
        ]
    return ["Next, when the cause is gone:", *hint, f"  mli redeploy {name}"]
