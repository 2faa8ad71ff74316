"""``mli redeploy``: repeats the deployment of a core, and waits for its result."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import click

from stacks import names

from ...aws import Clients, aws_options, clients
from ...cli.options import refuse_given, timeout_option, wait_option
from ...cli.output import FAILED as EXIT_FAILED
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName
from ...errors import MliError
from ..generations.core_state import FAILED, SUCCEEDED, Deployment
from ..generations.table import generation_of
from ..stacks.core import CoreStack
from ..stacks.fleet import FleetStack
from ..stacks.outputs import StackNotFoundError, stack_status
from .redeploy_fleet import redeploy_fleet

POLL_SECONDS = 3.0

_EXAMPLES = examples(
    "mli redeploy Demo",
    "mli redeploy Demo --timeout 1800      # a small board takes long to install",
    "mli redeploy Demo --no-wait --json",
    "mli redeploy shop-floor               # all cores of a fleet",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName())
@click.option(
    "--again", is_flag=True, help="Also repeat a deployment that the core has not carried out yet."
)
@wait_option("the core to carry it out")
@timeout_option(default=900, longest=86_400)
@aws_options
@reporting
def redeploy(
    output: Output,
    core_name: str,
    again: bool,
    wait: bool,
    timeout: float,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Repeat the deployment of the core CORE_NAME, and wait until the core has carried it out.

    The new deployment has the content of the core's latest one (V2), or deploys the group's latest
    version (V1). If the core has not carried out the latest deployment yet, no new one is created:
    the command waits for that one. So it can follow `cdk deploy`, and can be repeated after an
    interruption. CORE_NAME may also be the name of a fleet: its cores share one deployment, which
    is repeated for all of them.
    """
    if not wait:
        refuse_given("timeout", because="goes with --wait")
    of = clients(region, aws_profile)
    stack = _stack(of, core_name)
    if isinstance(stack, FleetStack):
        seconds = timeout if wait else None
        _await_stack(of, names.fleet_stack_name(core_name), seconds, output)
        if not redeploy_fleet(of, stack, output, again=again, wait_seconds=seconds):
            sys.exit(EXIT_FAILED)
        return
    if stack.fleet:
        raise MliError(
            f"{core_name} is a core of the fleet {stack.fleet}, whose cores share one deployment: "
            f"`mli redeploy {stack.fleet}` repeats it for all of them"
        )
    _await_stack(of, names.stack_name(core_name), timeout if wait else None, output)
    order = generation_of(stack).redeploy(of, stack, again=again)
    state = "created" if order.is_new else "is under way"
    output.say(f"deployment {order.id} {state} for {core_name}")
    values: dict[str, Any] = {"deploymentId": order.id, "made": order.is_new}
    if not wait:
        output.result(values, f"Next:\n  mli status {core_name}")
        return
    done = wait_for(of, stack, order.id, timeout, output)
    output.result(
        {**values, "status": done.status, "reason": done.reason},
        f"{core_name} has carried out the deployment. Next:\n  mli watch {core_name}",
    )


def _stack(clients: Clients, name: str) -> CoreStack | FleetStack:
    """Return the stack of a core, or else of a fleet, which may have a core of its own name.

    Raises:
        StackNotFoundError: if there is neither.
    """
    try:
        found = CoreStack.find(clients, name)
    except StackNotFoundError as missing:
        try:
            return FleetStack.find(clients, name)
        except StackNotFoundError:
            raise missing from None
    return FleetStack.find(clients, name) if found.fleet == name else found


def _await_stack(clients: Clients, stack: str, seconds: float | None, output: Output) -> None:
    """Wait while a stack is being deployed: nothing older may replace what it deploys.

    Raises:
        MliError: if it takes longer than ``seconds``, or at once if these are None.
    """
    began = time.monotonic()
    while (status := stack_status(clients, stack)).endswith("_IN_PROGRESS"):
        if seconds is None or time.monotonic() - began >= seconds:
            raise MliError(f"the stack {stack} is {status}: repeat this when it is done")
        output.status(f"{math.floor(time.monotonic() - began)} s: the stack {stack} is {status}")
        time.sleep(min(POLL_SECONDS, seconds))


def wait_for(
    clients: Clients, stack: CoreStack, identity: str, seconds: float, output: Output
) -> Deployment:
    """Wait for a deployment, and return what the core reports about it when it succeeded.

    Raises:
        MliError: if it failed, was replaced by another, or takes longer than ``seconds``.
    """
    generation, began = generation_of(stack), time.monotonic()
    while True:
        found, has_connected = generation.progress(clients, stack, identity)
        if found is not None and found.status in SUCCEEDED:
            return found
        if found is not None and found.status in FAILED:
            now = generation.state(clients, stack).outcome
            raise MliError(
                f"the deployment {identity} {found.status}: {found.reason or 'no reason given'}; "
                + (f"{now}; " if now else "")
                + f"`mli status {stack.core_name}` shows why"
            )
        elapsed = time.monotonic() - began
        step = _step(stack, found, has_connected)
        if elapsed >= seconds:
            raise MliError(
                f"not done after {seconds:g} s: {step}; repeat the command to continue waiting"
            )
        output.status(f"{math.floor(elapsed)} s: {step}")
        time.sleep(min(POLL_SECONDS, max(0.0, seconds - elapsed)))


def _step(stack: CoreStack, found: Deployment | None, has_connected: bool) -> str:
    if found is not None and found.has_begun:
        return f"the core is carrying it out ({found.status})"
    if has_connected:
        return "the core has not begun yet; is it online?"
    return (
        f"{stack.core_name} has never connected; "
        f"`mli package {stack.core_name}` creates what its device needs"
    )
