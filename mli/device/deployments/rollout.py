"""How far the cores of a thing group are with a deployment, which is a job of AWS IoT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_core.output.terminal import counted
from stacks import names

from ...aws import Clients
from ...listings import listed, members_of

MOST_SHOWN = 20
"""Cores that are named one by one."""

_SUCCEEDED = "SUCCEEDED"
_FAILED = ("FAILED", "REJECTED", "TIMED_OUT")
_WITHOUT_RESULT = ("CANCELED", "REMOVED")
_ENDED = ("CANCELED", "INACTIVE")
_NOT_REACHED = "not reached"
_IN_WORDS = {"IN_PROGRESS": "in progress", "QUEUED": "waiting", _NOT_REACHED: _NOT_REACHED}


@dataclass(frozen=True)
class Rollout:
    """The state of each core, in the words of AWS IoT, or that the rollout has not reached it.

    https://docs.aws.amazon.com/iot/latest/developerguide/iot-jobs-lifecycle.html
    """

    states: Mapping[str, str]
    is_ended: bool = False
    """Whether ``abortCriteria`` or another deployment have ended it: no core follows."""

    @property
    def failed(self) -> tuple[str, ...]:
        """The cores that do not run what was deployed."""
        return tuple(core for core, state in self.states.items() if state in _FAILED)

    @property
    def succeeded(self) -> int:
        """How many cores run what was deployed."""
        return sum(state == _SUCCEEDED for state in self.states.values())

    @property
    def under_way(self) -> tuple[str, ...]:
        """The cores that have no result yet."""
        final = (_SUCCEEDED, *_FAILED, *_WITHOUT_RESULT)
        return tuple(core for core, state in self.states.items() if state not in final)

    @property
    def is_over(self) -> bool:
        """Whether no core gets a result any more."""
        return self.is_ended or not self.under_way

    def __str__(self) -> str:
        cores = counted(len(self.states), "core")
        text = f"{self.succeeded} of {cores} done, {len(self.failed)} failed"
        for state, words in _IN_WORDS.items():
            number = sum(one == state for one in self.states.values())
            text += f", {number} {words}" if number else ""
        return text

    def rows(self, reasons: Mapping[str, str]) -> list[str]:
        """Return a line for each core: its name, its state and, if there is one, the reason."""
        width = max(map(len, self.states), default=0)
        # Those that need somebody first.
        order = sorted(self.states, key=lambda core: (self.states[core] == _SUCCEEDED, core))
        lines = [
            f"  {core:{width}}  {self.states[core]:11}  {reasons.get(core, '')}".rstrip()
            for core in order[:MOST_SHOWN]
        ]
        more = len(order) - MOST_SHOWN
        return [*lines, f"  … and {more} more: --json has all"] if more > 0 else lines

    def to_json(self, reasons: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return the same for scripts."""
        return {
            core: {"status": state, "reason": reasons.get(core, "")}
            for core, state in self.states.items()
        }


def rollout_of(clients: Clients, identity: str, group: str) -> Rollout:
    """Ask how far the members of a thing group are with a deployment to it."""
    found = clients("greengrassv2").get_deployment(deploymentId=identity)
    progress = job_progress(clients, found["iotJobId"])
    return Rollout(
        {
            names.core_of_thing(thing) or thing: progress.get(thing, _NOT_REACHED)
            for thing in sorted(members_of(clients("iot"), group))
        },
        is_ended=found["deploymentStatus"] in _ENDED,
    )


def job_progress(clients: Clients, job: str) -> dict[str, str]:
    """Return the status of a job, which a deployment to a thing group is, by thing."""
    if not job:
        return {}
    newest: dict[str, tuple[int, str]] = {}
    for one in listed(
        clients("iot"),
        "list_job_executions_for_job",
        "executionSummaries",
        jobId=job,
        PaginationConfig={"PageSize": 250},
    ):
        summary = one["jobExecutionSummary"]
        found = (int(summary.get("executionNumber", 0)), str(summary["status"]))
        thing = one["thingArn"].rpartition("/")[2]
        newest[thing] = max(found, newest.get(thing, (-1, "")))
    return {thing: status for thing, (_, status) in newest.items()}


def reasons_of(clients: Clients, identity: str, cores: tuple[str, ...]) -> dict[str, str]:
    """Return what cores report about a deployment, for the first of them."""
    return {core: _reason(clients("greengrassv2"), identity, core) for core in cores[:MOST_SHOWN]}


def _reason(greengrass: Any, identity: str, core: str) -> str:
    try:
        reply = greengrass.list_effective_deployments(coreDeviceThingName=names.thing_name(core))
    except greengrass.exceptions.ResourceNotFoundException:
        return ""  # It has never reported.
    for one in reply.get("effectiveDeployments", []):
        if one["deploymentId"] == identity:
            return str(one.get("reason", ""))
    return ""
