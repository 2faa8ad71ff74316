"""``mli fleet canary``: which cores get each deployment first, and the verdict about them."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

import click

from local_core.output.terminal import counted
from stacks import names

from ..aws import Clients, aws_options, clients, tls_context
from ..cli.options import refuse_given, seconds_option, timeout_option
from ..cli.output import Output, examples, reporting
from ..cli.owner_names import CoreName, FleetName
from ..device.generations.core_state import FAILED, SUCCEEDED
from ..device.generations.v2.deployments import latest_deployment, repeat
from ..device.generations.v2.generation import V2Generation
from ..device.stacks.core import CoreStack
from ..device.stacks.fleet import FleetStack
from ..device.stacks.outputs import stack_status
from ..errors import MliError
from ..listings import members_of, thing_groups
from .work import absent_is_done

POLL_SECONDS = 3.0

_EXAMPLES = examples(
    "mli fleet canary shop-floor press-1        # press-1 gets each deployment first",
    "mli fleet canary shop-floor press-1 --back",
    "mli fleet canary shop-floor                # during `cdk deploy`: wait, and give the verdict",
)
_CONDITION = "AWS::CloudFormation::WaitCondition"
_HANDLE = "AWS::CloudFormation::WaitConditionHandle"
# The local cloud says UPDATE of all resources of an update, also of those that it creates.
_BEGUN = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_CREATED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@dataclass(frozen=True)
class Verdict:
    """What the cores of the canary say about a deployment; ``is_good`` is None while they work."""

    is_good: bool | None
    reason: str
    has_cores: bool = True
    """False if the canary has none: then there is nothing whose health could change."""


@click.command(epilog=_EXAMPLES)
@click.argument("fleet_name", metavar="FLEET", type=FleetName())
@click.argument("cores", metavar="[CORE_NAME]...", type=CoreName(), nargs=-1)
@click.option("--back", is_flag=True, help="Return the cores CORE_NAME to the others.")
@seconds_option(
    "--healthy",
    default=60,
    limits=(0, 86_400),
    help="How long the cores must be healthy before the others follow.",
)
@timeout_option(default=3_600, longest=43_200)
@aws_options
@reporting
def canary(
    output: Output,
    fleet_name: str,
    cores: tuple[str, ...],
    back: bool,
    healthy: float,
    timeout: float,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Give the verdict about the canary of FLEET, or choose its cores.

    With `canary` in the key `rollout`, `cdk deploy` deploys to the canary's cores and waits. This
    command, in a second terminal, follows these cores. When all have carried out the deployment and
    stay healthy, the other cores get it. When one fails, `cdk deploy` fails, and the canary gets
    back what the other cores have. The command can start before `cdk deploy`, and be repeated.
    """
    if cores:
        refuse_given("healthy", "timeout", because="is for the verdict, without names of cores")
    of = clients(region, aws_profile)
    found = FleetStack.find(of, fleet_name) if cores else None
    if found is not None:
        _move(of, found, cores, back)
        place = "among the others" if back else "in the canary"
        output.result({"cores": list(cores), "canary": not back}, f"{', '.join(cores)}: {place}")
        return
    if back:
        raise click.UsageError("--back needs names of cores")
    verdict = follow(of, fleet_name, healthy, timeout, output)
    if not verdict.is_good:
        identity = roll_back(of, fleet_name, timeout, output)
        done = f"deployment {identity} gives the canary back what the other cores have"
        raise MliError(f"{verdict.reason}; {done if identity else 'the canary has no cores'}")
    output.result(
        {"verdict": "SUCCESS", "reason": verdict.reason},
        f"{verdict.reason}; the other cores follow. Next:\n  mli redeploy {fleet_name}",
    )


def _move(clients: Clients, fleet: FleetStack, cores: tuple[str, ...], back: bool) -> None:
    """Move cores between the two groups; one that an interruption left in both is moved again.

    Raises:
        MliError: if the fleet has no canary, or a core is not one of the fleet's.
    """
    if fleet.canary_arn is None:
        raise MliError(
            f"the fleet {fleet.name} has no canary: deploy it with "
            """-c rollout='{"canary": {}}'"""
        )
    iot, canary_group = clients("iot"), names.canary_group_name(fleet.name)
    source, target = (canary_group, fleet.name) if back else (fleet.name, canary_group)
    things = [names.thing_name(core) for core in dict.fromkeys(cores)]
    for thing in things:
        found: list[str] = []
        with absent_is_done():
            found = thing_groups(iot, thing)
        if not set(found) & set(fleet.groups):
            raise MliError(f"{thing} is not in the fleet {fleet.name}")
    for thing in things:
        # The new group first: a core in none of them would not be a member when this is killed.
        iot.add_thing_to_thing_group(thingGroupName=target, thingName=thing)
        iot.remove_thing_from_thing_group(thingGroupName=source, thingName=thing)


def follow(
    clients: Clients, fleet_name: str, healthy: float, timeout: float, output: Output
) -> Verdict:
    """Wait for a deployment that waits, and for its verdict; pass it on to CloudFormation.

    Raises:
        MliError: if there is no verdict in time.
    """
    began, good_since, state = time.monotonic(), None, "no deployment waits yet"
    while time.monotonic() - began < timeout:
        handle = waiting_handle(clients, names.fleet_stack_name(fleet_name))
        if handle is None and _was_rolled_back(clients, fleet_name):
            return Verdict(False, "the last deployment was rolled back without a verdict")
        if handle is not None:
            verdict = verdict_of(clients, fleet_name)
            state = verdict.reason
            if verdict.is_good is not True:
                good_since = None
            elif good_since is None:
                good_since = time.monotonic()
            is_settled = good_since is not None and (
                not verdict.has_cores or time.monotonic() - good_since >= healthy
            )
            if verdict.is_good is False or is_settled:
                signal(handle, verdict)
                return verdict
        output.status(f"{time.monotonic() - began:.0f} s: {state}")
        time.sleep(min(POLL_SECONDS, max(0.05, healthy)))
    raise MliError(f"no verdict after {timeout:g} s: {state}; repeat the command")


def waiting_handle(clients: Clients, stack: str) -> str | None:
    """Return the address by which the stack gets its verdict, if it waits for one."""
    cloudformation = clients("cloudformation")
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    is_waiting = False
    try:
        for event in (one for page in pages for one in page["StackEvents"]):  # the newest first
            if event["ResourceType"] == _CONDITION and not is_waiting:
                if event["ResourceStatus"] not in _BEGUN:
                    return None
                is_waiting = True
            elif event["ResourceType"] == _HANDLE and event["ResourceStatus"] in _CREATED:
                return str(event["PhysicalResourceId"]) if is_waiting else None
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" not in str(error):
            raise
    return None


def verdict_of(clients: Clients, fleet_name: str) -> Verdict:
    """Return what the canary's cores report about the canary's latest deployment."""
    iot, group = clients("iot"), names.canary_group_name(fleet_name)
    things = members_of(clients("iot"), group)
    if not things:
        return Verdict(True, "the canary has no cores", has_cores=False)
    arn = iot.describe_thing_group(thingGroupName=group)["thingGroupArn"]
    found = latest_deployment(clients("greengrassv2"), arn)
    if found is None:
        return Verdict(None, "nothing is deployed to the canary yet")
    under_way = []
    for thing in things:
        core = names.core_of_thing(thing) or thing
        state = V2Generation().state(clients, CoreStack(core, "", {}))
        of_it = next((one for one in state.deployments if one.id == found[0]), None)
        if of_it is not None and of_it.status in FAILED:
            return Verdict(False, f"{core}: {of_it.status} {of_it.reason}".rstrip())
        if of_it is None or of_it.status not in SUCCEEDED:
            under_way.append(core)
        elif not state.is_healthy or any(one.is_bad for one in state.components):
            return Verdict(False, f"{core} is {state.device} after the deployment")
    if under_way:
        return Verdict(None, f"{len(under_way)} of {counted(len(things), 'core')} still at work")
    return Verdict(True, f"all of the canary is healthy: {counted(len(things), 'core')}")


def roll_back(clients: Clients, fleet_name: str, timeout: float, output: Output) -> str | None:
    """Deploy to the canary what the other cores have, when the stack has been rolled back.

    CloudFormation only deletes the new deployment, and a core keeps what it runs. Returns the id of
    the deployment; None if the other cores have none.

    Raises:
        MliError: if the stack takes too long.
    """
    began = time.monotonic()
    stack = names.fleet_stack_name(fleet_name)
    while (status := stack_status(clients, stack)).endswith("_IN_PROGRESS"):
        if time.monotonic() - began >= timeout:
            raise MliError(f"the stack is {status} after {timeout:g} s; repeat the command")
        output.status(f"the stack is {status} …")
        time.sleep(POLL_SECONDS)
    greengrass, fleet = clients("greengrassv2"), FleetStack.find(clients, fleet_name)
    others = latest_deployment(greengrass, fleet.group_arn)
    if others is None or fleet.canary_arn is None:
        return None
    return repeat(greengrass, {**others[1], "targetArn": fleet.canary_arn})


def _was_rolled_back(clients: Clients, fleet_name: str) -> bool:
    """Return whether the last update of the stack failed, and the canary still has its content."""
    if stack_status(clients, names.fleet_stack_name(fleet_name)) != "UPDATE_ROLLBACK_COMPLETE":
        return False
    greengrass, fleet = clients("greengrassv2"), FleetStack.find(clients, fleet_name)
    if fleet.canary_arn is None:
        return False
    first = latest_deployment(greengrass, fleet.canary_arn)
    others = latest_deployment(greengrass, fleet.group_arn)
    if others is None:
        return False
    return (
        first is None
        or first[1]["deploymentStatus"] != "ACTIVE"
        or first[1].get("components") != others[1].get("components")
    )


def signal(handle: str, verdict: Verdict) -> None:
    """Pass a verdict on to CloudFormation, as its documentation says: with an empty type.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
    """
    content: dict[str, Any] = {
        "Status": "SUCCESS" if verdict.is_good else "FAILURE",
        "Reason": verdict.reason,
        "UniqueId": str(uuid.uuid4()),
        "Data": verdict.reason,
    }
    request = urllib.request.Request(
        handle, data=json.dumps(content).encode(), method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=30, context=tls_context()):
        pass
