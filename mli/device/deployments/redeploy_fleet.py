"""The deployment of a fleet: repeated for all of its cores, and followed until they are done."""

from __future__ import annotations

import math
import time
from typing import Any

from ...aws import Clients
from ...cli.output import Output
from ...errors import MliError
from ..generations.v2.deployments import latest_deployment, repeat
from ..stacks.fleet import FleetStack
from .rollout import Rollout, reasons_of, rollout_of

POLL_SECONDS = 3.0
_MOST_WAITED_FOR = 5


def redeploy_fleet(
    clients: Clients,
    fleet: FleetStack,
    output: Output,
    *,
    again: bool,
    wait_seconds: float | None,
) -> bool:
    """Repeat the latest deployment of a fleet, and report how its cores carry it out.

    One that cores have not finished is followed and not repeated, unless ``again``. With
    ``wait_seconds`` None nothing is followed. Return whether each core has carried it out.

    Raises:
        MliError: if there is nothing to repeat, or the cores take too long.
    """
    greengrass = clients("greengrassv2")
    found = latest_deployment(greengrass, fleet.group_arn)
    if found is None:
        raise MliError(
            f"the fleet {fleet.name} has no deployment to repeat: deploy its stack "
            f"(npx cdk deploy -c fleetName={fleet.name} …)"
        )
    latest, content = found
    rollout = None
    if content["deploymentStatus"] == "ACTIVE" and not again:
        rollout = rollout_of(clients, latest, fleet.name)
    is_new = rollout is None or rollout.is_over
    identity = repeat(greengrass, content) if is_new else latest
    state = "created" if is_new else "is under way"
    output.say(f"deployment {identity} {state} for the fleet {fleet.name}")
    values: dict[str, Any] = {"deploymentId": identity, "made": is_new}
    if wait_seconds is not None:
        rollout = _followed(clients, fleet, identity, wait_seconds, output)
    if wait_seconds is None or rollout is None or not rollout.states:
        output.result(values, f"Next:\n  mli fleet status {fleet.name}")
        return True
    reasons = reasons_of(clients, identity, rollout.failed)
    follow = "mli status CORE_NAME     # shows why" if rollout.failed else "mli watch --all"
    values["cores"] = rollout.to_json(reasons)
    output.result(values, "\n".join([*rollout.rows(reasons), f"{rollout}. Next:", f"  {follow}"]))
    return rollout.succeeded == len(rollout.states)


def _followed(
    clients: Clients, fleet: FleetStack, identity: str, seconds: float, output: Output
) -> Rollout:
    began = time.monotonic()
    while True:
        rollout = rollout_of(clients, identity, fleet.name)
        if rollout.is_over:
            return rollout
        elapsed = time.monotonic() - began
        if elapsed >= seconds:
            raise MliError(
                f"not done after {seconds:g} s: {rollout}; {_waited_for(rollout)}; repeat the "
                "command to continue waiting"
            )
        output.status(f"{math.floor(elapsed)} s: {rollout}")
        time.sleep(min(POLL_SECONDS, max(0.0, seconds - elapsed)))


def _waited_for(rollout: Rollout) -> str:
    cores, more = rollout.under_way[:_MOST_WAITED_FOR], len(rollout.under_way) - _MOST_WAITED_FOR
    text = ", ".join(f"{core} is {rollout.states[core]}" for core in cores)
    return f"{text} and {more} more" if more > 0 else text
