"""The deployment of a fleet: repeated for all of its cores, and followed until they are done."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cli.output import Output
from ..errors import MliError
from .fleet_stack import FleetStack
from .stack_outputs import Clients
from .v2 import latest_deployment, repeat

POLL_SECONDS = 3.0

_UNDER_WAY = ("Queued", "InProgress")
_SUCCEEDED = ("Succeeded",)
_FAILED = ("Failed", "Rejected", "TimedOut")


@dataclass(frozen=True)
class Counts:
    """How many cores of a fleet are at which point of a deployment, by AWS IoT's words.

    https://docs.aws.amazon.com/iot/latest/apireference/API_JobProcessDetails.html
    """

    by_state: Mapping[str, int]

    @property
    def under_way(self) -> int:
        """The cores that have not finished."""
        return self._sum(_UNDER_WAY)

    @property
    def succeeded(self) -> int:
        """The cores that run what was deployed."""
        return self._sum(_SUCCEEDED)

    @property
    def failed(self) -> int:
        """The cores that do not."""
        return self._sum(_FAILED)

    @property
    def all(self) -> int:
        """The cores that the deployment has reached so far."""
        return self.under_way + self.succeeded + self.failed

    def __str__(self) -> str:
        return f"{self.succeeded} of {self.all} cores done, {self.failed} failed"

    def _sum(self, states: tuple[str, ...]) -> int:
        return sum(self.by_state.get(f"numberOf{state}Things", 0) for state in states)


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
    ``wait_seconds`` None nothing is followed. Return whether no core has failed.

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
    is_new = again or content["deploymentStatus"] != "ACTIVE" or not _unfinished(clients, latest)
    identity = repeat(greengrass, content) if is_new else latest
    state = "created" if is_new else "is under way"
    output.say(f"deployment {identity} {state} for the fleet {fleet.name}")
    values: dict[str, Any] = {"deploymentId": identity, "made": is_new}
    if wait_seconds is None or not _has_cores(clients, fleet):
        output.result(values, "Next:\n  mli watch --all")
        return True
    counts = _followed(clients, identity, wait_seconds, output)
    follow = "mli status CORE_NAME     # shows why" if counts.failed else "mli watch --all"
    output.result({**values, "cores": dict(counts.by_state)}, f"{counts}. Next:\n  {follow}")
    return not counts.failed


def _unfinished(clients: Clients, identity: str) -> int:
    return _counts(clients, identity).under_way


def _has_cores(clients: Clients, fleet: FleetStack) -> bool:
    reply = clients("iot").list_things_in_thing_group(thingGroupName=fleet.name, maxResults=1)
    return bool(reply["things"])


def _followed(clients: Clients, identity: str, seconds: float, output: Output) -> Counts:
    began = time.monotonic()
    while True:
        counts = _counts(clients, identity)
        if counts.all and not counts.under_way:
            return counts
        elapsed = time.monotonic() - began
        if elapsed >= seconds:
            raise MliError(
                f"not done after {seconds:g} s: {counts}; repeat the command to continue waiting"
            )
        output.status(f"{math.floor(elapsed)} s: {counts}")
        time.sleep(min(POLL_SECONDS, max(0.0, seconds - elapsed)))


def _counts(clients: Clients, identity: str) -> Counts:
    """Return the counts of the job that a deployment to a thing group is."""
    job = clients("greengrassv2").get_deployment(deploymentId=identity)["iotJobId"]
    details = clients("iot").describe_job(jobId=job)["job"].get("jobProcessDetails") or {}
    numbers = {key: value for key, value in details.items() if isinstance(value, int)}
    return Counts(numbers)
