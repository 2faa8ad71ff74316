"""``deploy``: gives a core its deployment once more, and waits until it has carried it out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import click

from ..aws import aws_options, clients
from ..cli.output import Output, ToolError, examples, reporting
from .core_stack import Clients, CoreName, CoreStack
from .core_state import FAILED, SUCCEEDED, Deployment, read_state, v1_deployment, v2_state

POLL_SECONDS = 3.0
_REPEATED = (
    "targetArn",
    "deploymentName",
    "components",
    "iotJobConfiguration",
    "deploymentPolicies",
    "parentTargetArn",
    "tags",
)
"""What of a deployment can be given to another; the rest is the service's own."""

_EXAMPLES = examples(
    "mli redeploy Demo",
    "mli redeploy Demo --timeout 1800      # a small board installs for long",
    "mli redeploy Demo --no-wait --json",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName())
@click.option("--again", is_flag=True, help="Also if the core has not yet done the last one.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the core.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86_400),
    default=900,
    show_default=True,
    help="Longest wait, in seconds.",
)
@aws_options
@reporting
def redeploy(
    output: Output,
    core_name: str,
    again: bool,
    no_wait: bool,
    timeout: float,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Deploy to the core CORE_NAME what its stack says, and wait until it runs there.

    What is deployed is the content of the core's present deployment (V2), or the group's latest
    version (V1). A deployment that the core has not yet carried out is waited for and not repeated;
    so the command can follow `cdk deploy`, and can be repeated when it was interrupted.
    """
    of = clients(region, aws_profile)
    stack = CoreStack.find(of, core_name)
    order = give(of, stack, again=again)
    output.say(
        f"deployment {order.id} {'made' if order.is_new else 'is under way'} for {core_name}"
    )
    values: dict[str, Any] = {"deploymentId": order.id, "made": order.is_new}
    if no_wait:
        output.result(values, f"Next:\n  mli status {core_name}")
        return
    done = wait(of, stack, order.id, timeout, output)
    output.result(
        {**values, "status": done.status, "reason": done.reason},
        f"{core_name} has carried it out. Next:\n  mli watch {core_name}",
    )


@dataclass(frozen=True)
class Order:
    """The deployment that the core is to carry out, and whether it was made just now."""

    id: str
    is_new: bool


def give(clients: Clients, stack: CoreStack, *, again: bool) -> Order:
    """Deploy, unless the last deployment is still to be carried out and ``again`` is not said.

    Raises:
        ToolError: if there is nothing that could be repeated.
    """
    if stack.generation == 1:
        return _give_group(clients("greengrass"), stack, again)
    return _give_components(clients("greengrassv2"), stack, again)


def wait(
    clients: Clients, stack: CoreStack, identity: str, seconds: float, output: Output
) -> Deployment:
    """Return the core's word on a deployment once it is good.

    Raises:
        ToolError: if it failed, was replaced by another, or takes longer than ``seconds``.
    """
    began = time.monotonic()
    while True:
        found, was_seen = _progress(clients, stack, identity)
        if found is not None and found.status in SUCCEEDED:
            return found
        if found is not None and found.status in FAILED:
            raise ToolError(
                f"the deployment {identity} {found.status}: {found.reason or 'no reason given'}; "
                f"`mli status {stack.core_name}` shows the components"
            )
        elapsed = time.monotonic() - began
        where = _where(stack, found, was_seen)
        if elapsed >= seconds:
            raise ToolError(
                f"not done after {seconds:g} s: {where}; repeat the command to go on waiting"
            )
        output.status(f"{math.floor(elapsed)} s: {where}")
        time.sleep(min(POLL_SECONDS, max(0.0, seconds - elapsed)))


def _progress(clients: Clients, stack: CoreStack, identity: str) -> tuple[Deployment | None, bool]:
    """Return how a deployment goes, if the core knows it, and whether the core was ever seen."""
    if stack.generation == 1:
        greengrass = clients("greengrass")
        return v1_deployment(greengrass, stack.target, {"DeploymentId": identity}), True
    greengrass = clients("greengrassv2")
    state = v2_state(greengrass, stack.core_name, stack.thing_name)
    found = next((d for d in state.deployments if d.id == identity), None)
    if found is None or found.is_under_way:
        cloud = greengrass.get_deployment(deploymentId=identity)
        if cloud["deploymentStatus"] in ("CANCELED", "INACTIVE"):
            raise ToolError(
                f"the deployment {identity} is {cloud['deploymentStatus']}: another one took its "
                "place, or somebody cancelled it; repeat the command"
            )
    return found, bool(state.device)


def _where(stack: CoreStack, found: Deployment | None, was_seen: bool) -> str:
    if found is not None:
        return f"the core is at it ({found.status})"
    if was_seen:
        return "the core has not begun yet; is it on line?"
    return (
        f"{stack.core_name} has never connected; "
        f"`mli package {stack.core_name}` makes what its device needs"
    )


def _give_components(greengrass: Any, stack: CoreStack, again: bool) -> Order:
    listed = greengrass.list_deployments(targetArn=stack.target, historyFilter="LATEST_ONLY")
    if not listed.get("deployments"):
        raise ToolError(
            f"{stack.core_name} has no deployment to repeat: deploy its stack (npx cdk deploy …)"
        )
    latest = listed["deployments"][0]["deploymentId"]
    content = greengrass.get_deployment(deploymentId=latest)
    if not again and content["deploymentStatus"] == "ACTIVE":
        state = v2_state(greengrass, stack.core_name, stack.thing_name)
        known = next((d for d in state.deployments if d.id == latest), None)
        if known is None or known.is_under_way:
            return Order(latest, False)
    request = {key: content[key] for key in _REPEATED if content.get(key)}
    return Order(greengrass.create_deployment(**request)["deploymentId"], True)


def _give_group(greengrass: Any, stack: CoreStack, again: bool) -> Order:
    version = greengrass.get_group(GroupId=stack.target).get("LatestVersion")
    if not version:
        raise ToolError(f"the group of {stack.core_name} has no version: deploy its stack")
    latest = read_state(lambda service: greengrass, stack).latest
    if not again and latest is not None and latest.is_under_way:
        return Order(latest.id, False)
    made = greengrass.create_deployment(
        GroupId=stack.target, GroupVersionId=version, DeploymentType="NewDeployment"
    )
    return Order(made["DeploymentId"], True)
