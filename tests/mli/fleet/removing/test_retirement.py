"""``fleet retire``: nothing is left of a fleet, and no device comes while it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mli import aws
from mli.cli.output import Output
from mli.device.stacks.fleet import FleetStack
from mli.errors import MliError
from mli.fleet.journal import CLAIMS, OF_FLEET, Journal
from mli.fleet.removing.removal import CoreRemover
from mli.fleet.removing.retire import retire_all
from mli.fleet.work import Named, Result
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import Commands

from .leftovers import EMPTY_POLICY, add, all_of, arn_of, exists, left, members


def test_retired_fleet_has_no_cores_and_no_deployments(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, greengrass = fleet.cloud.client("iot"), fleet.cloud.client("greengrassv2")
    core, below = f"{fleet.name}-0", f"{fleet.name}-below"
    add(commands, fleet, [core])
    arn = iot.create_thing_group(thingGroupName=below, parentGroupName=fleet.name)["thingGroupArn"]
    other = iot.create_thing_group(thingGroupName=f"{fleet.name}-beside")["thingGroupName"]
    greengrass.create_deployment(targetArn=arn)
    commands.run("redeploy", fleet.name, "--again", "--no-wait")
    _protect(fleet)
    of, folder = aws.clients(), Path("fleet") / fleet.name
    found = FleetStack.find(of, fleet.name)

    def retire() -> None:
        with Journal.of_fleet(folder, found) as journal:
            remover = CoreRemover(of, found, journal, folder=folder)
            retire_all(of, found, remover, journal, 1, Result(), Output(as_json=True))

    ended = faults.until_done(retire, is_answered=True)
    assert len(ended) > 10
    assert members(fleet) == []
    assert left(fleet, core) == []
    assert fleet.deployments() == []
    groups = {one["groupName"] for one in all_of(iot, "list_thing_groups", "thingGroups")}
    assert {fleet.name, other} <= groups
    assert below not in groups
    said = commands.run("fleet", "retire", fleet.name, "--yes")
    assert f"npx cdk destroy -c fleetName={fleet.name}" in said
    assert not _is_protected(fleet)


def test_stack_stays_protected_until_the_last_core_is_removed(
    commands: Commands, fleet: DeployedFleet
) -> None:
    _protect(fleet)
    shown = commands.run("fleet", "retire", fleet.name, "--dry-run")
    assert f"protection of {names.fleet_stack_name(fleet.name)} would be lifted" in shown
    core = f"{fleet.name}-0"
    add(commands, fleet, [core])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CoreRemover, "remove", _refused)
        commands.run("fleet", "retire", fleet.name, "--yes", code=1)
    assert _is_protected(fleet)
    commands.run("fleet", "remove", fleet.name, core, "--yes")
    assert _is_protected(fleet)
    commands.run("fleet", "retire", fleet.name, "--yes")  # a fleet without cores
    assert not _is_protected(fleet)


def _refused(self: CoreRemover, core: Named) -> str:
    raise MliError("it is needed")


def _protect(fleet: DeployedFleet) -> None:
    fleet.cloud.client("cloudformation").update_termination_protection(
        StackName=names.fleet_stack_name(fleet.name), EnableTerminationProtection=True
    )


def _is_protected(fleet: DeployedFleet) -> bool:
    cloudformation = fleet.cloud.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=names.fleet_stack_name(fleet.name))["Stacks"]
    return bool(stack["EnableTerminationProtection"])


def test_no_device_becomes_a_core_of_a_fleet_that_is_being_retired(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, policy = fleet.cloud.client("iot"), names.claim_policy_name(fleet.name)
    iot.create_policy(policyName=policy, policyDocument=EMPTY_POLICY)
    said = commands.json("fleet", "claim", fleet.name)
    commands.run("fleet", "claim", fleet.name, "--new")
    shown = commands.run("fleet", "retire", fleet.name, "--dry-run")
    assert "2 claims, by which devices come, would be deleted" in shown
    iot.detach_policy(policyName=policy, target=arn_of(fleet, said["certificateId"]))
    of, folder = aws.clients(), Path("fleet") / fleet.name
    found = FleetStack.find(of, fleet.name)
    with Journal.of_fleet(folder, found) as journal:  # as an interrupted command leaves it
        journal.note(OF_FLEET, CLAIMS, [said["certificateId"]])
    late = f"{fleet.name}-late"
    with _coming_after_the_first_removal(fleet, late):
        add(commands, fleet, [f"{fleet.name}-0"])
        commands.run("fleet", "retire", fleet.name, "--yes")
    assert members(fleet) == []
    assert left(fleet, late) == []
    assert iot.list_targets_for_policy(policyName=policy)["targets"] == []
    assert not exists(fleet, arn_of(fleet, said["certificateId"]))
    with Journal.of_fleet(folder, found) as journal:
        assert journal.get(OF_FLEET, CLAIMS) is None


@contextmanager
def _coming_after_the_first_removal(fleet: DeployedFleet, late: str) -> Iterator[None]:
    """Let one more core join when another has been removed."""
    inner = CoreRemover.remove

    def remove(self: CoreRemover, core: Named) -> str:
        said = inner(self, core)
        if core.name != late:
            fleet.add(late)
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CoreRemover, "remove", remove)
        yield
