"""``fleet remove``: nothing is left of a core, and the others stay."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from local_core.cloud.v2.delivery import SHADOW
from mli import aws
from mli.device.stacks.fleet import FleetStack
from mli.fleet import tags
from mli.fleet.journal import Journal
from mli.fleet.removing.removal import CoreRemover
from mli.fleet.removing.removal_plan import RemovalPlan
from mli.fleet.removing.remove import RemovedCore
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import ACCOUNT, Commands

from .leftovers import add, certificate_of, exists, left, members


def test_removed_core_leaves_nothing_and_the_others_stay(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    data, greengrass = fleet.cloud.client("iot-data"), fleet.cloud.client("greengrassv2")
    gone, thing = certificate_of(fleet, cores[0]), names.thing_name(cores[0])
    for shadow in ({}, {"shadowName": SHADOW}):
        data.update_thing_shadow(thingName=thing, payload=b'{"state": {}}', **shadow)
    greengrass.create_deployment(targetArn=f"{ACCOUNT}:thing/{thing}")
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert list(said["done"]) == [cores[0]]
    assert said["kept"] == {}
    for shadow in ({}, {"shadowName": SHADOW}):
        with pytest.raises(data.exceptions.ResourceNotFoundException):
            data.get_thing_shadow(thingName=thing, **shadow)
    assert left(fleet, cores[0]) == []
    assert not exists(fleet, gone)
    found = greengrass.list_deployments(targetArn=f"{ACCOUNT}:thing/{thing}", historyFilter="ALL")
    assert found["deployments"] == []
    assert members(fleet) == [names.thing_name(core) for core in cores[1:]]
    for core in cores[1:]:
        assert len(left(fleet, core)) == 3
        assert exists(fleet, certificate_of(fleet, core))
    assert not (Path("fleet") / fleet.name / cores[0]).exists()
    moved = list((Path("fleet") / fleet.name / "removed").glob(f"{cores[0]}-*/private.pem.key"))
    assert len(moved) == 1


def test_removal_continues_after_the_end_of_the_process_at_any_request(
    commands: Commands, fleet: DeployedFleet
) -> None:
    cores = [f"{fleet.name}-{number}" for number in range(1, 28)]
    add(commands, fleet, cores)
    of, folder, ended = aws.clients(), Path("fleet") / fleet.name, []
    found = FleetStack.find(of, fleet.name)

    def remove(core: str) -> None:
        with Journal.of_fleet(folder, found) as journal:
            CoreRemover(of, found, journal, folder=folder).remove(RemovedCore(core))

    for number, core in enumerate(cores, 1):
        gone = certificate_of(fleet, core)
        try:
            with faults.killed_at(number, is_answered=True):
                remove(core)
        except faults.Killed as at:
            ended.append(str(at))
            remove(core)
        assert left(fleet, core) == []
        assert not exists(fleet, gone)
        if len(ended) < number:
            break
    changing = [name for name in ended if not name.startswith(("Describe", "List", "Get"))]
    assert changing == [
        "RemoveThingFromThingGroup", "UpdateCertificate", "DetachPolicy", "DetachPolicy",
        "DetachThingPrincipal", "DeleteCertificate", "DeletePolicy", "DeletePolicy",
        "DeleteCoreDevice", "DeleteThingShadow", "DeleteThingShadow", "DeleteThing", "DeleteItem",
    ]  # fmt: skip
    assert len(members(fleet)) == len(cores) - len(ended) - 1


def test_core_can_be_created_again_under_its_name(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    before = certificate_of(fleet, cores[0])
    commands.run("fleet", "remove", fleet.name, cores[0], "--yes")
    said = add(commands, fleet, cores)
    assert sorted(said["done"]) == cores
    assert not before.endswith(said["done"][cores[0]])
    assert len(left(fleet, cores[0])) == 3


def test_core_can_be_removed_again_and_again_without_its_certificate(
    commands: Commands, fleet: DeployedFleet
) -> None:
    core, iot = f"{fleet.name}-0", fleet.cloud.client("iot")
    for _ in range(2):
        fleet.add(core)
        folder = Path("fleet") / fleet.name / core
        folder.mkdir(parents=True)
        (folder / "notes").touch()
        commands.run("fleet", "remove", fleet.name, core, "--yes")
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_thing(thingName=names.thing_name(core))
    moved = {folder.name for folder in (Path("fleet") / fleet.name / "removed").iterdir()}
    assert moved == {f"{core}-without-certificate", f"{core}-without-certificate-2"}


def test_core_whose_removal_was_interrupted_is_not_created_again_by_half(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    with faults.killed_at(16, is_answered=True), pytest.raises(faults.Killed):
        commands.run("fleet", "remove", fleet.name, cores[0], "--yes")
    Path("cores.csv").write_text(f"coreName\n{cores[0]}\n")
    said = commands.run("fleet", "add", "cores.csv", "--fleet", fleet.name, code=1)
    assert f"finish with `mli fleet remove {fleet.name} {cores[0]} --yes`" in said


@pytest.mark.parametrize("command", ["remove", "retire"])
def test_nothing_is_removed_without_yes(
    commands: Commands, fleet: DeployedFleet, cores: list[str], command: str
) -> None:
    folder = Path("elsewhere", command)  # another workstation, without the journal
    words = ("fleet", command, fleet.name, *(cores if command == "remove" else ()))
    words += ("--output", str(folder))
    said = commands.run(*words, code=1)
    assert "2 cores would be removed for good: add --yes" in said
    one = commands.run("fleet", "remove", fleet.name, cores[0], *words[-2:], code=1)
    assert "1 core would be removed for good: add --yes" in one
    plans = commands.json(*words, "--dry-run")["cores"]
    assert sorted(plans) == cores
    assert plans[cores[0]]["policies"] == [f"{cores[0]}_CorePolicy", f"{cores[0]}_PublishPolicy"]
    assert len(members(fleet)) == 2
    assert all(exists(fleet, certificate_of(fleet, core)) for core in cores)
    assert not folder.parent.exists()


def test_core_of_no_fleet_is_refused(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    stranger = f"{fleet.name}-stranger"
    iot.create_thing(thingName=names.thing_name(stranger))
    said = commands.run("fleet", "remove", fleet.name, stranger, cores[0], "--yes", code=1)
    assert f"{names.thing_name(stranger)} is not in the fleet {fleet.name}" in said
    assert left(fleet, stranger) == [names.thing_name(stranger)]
    assert left(fleet, cores[0]) == []


def test_policies_have_the_tags_of_the_stack(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    policy = iot.get_policy(policyName=f"{cores[0]}_CorePolicy")
    assert tags.tags_of(iot, policy["policyArn"])[tags.FLEET] == fleet.name


def test_newest_telemetry_of_a_removed_core_goes_with_it(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    table, of, folder = f"{fleet.name}-table", aws.clients(), Path("fleet") / fleet.name
    of("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "core", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "core", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for core in cores:
        of("dynamodb").put_item(TableName=table, Item={"core": {"S": core}})
    stack = FleetStack.find(of, fleet.name)
    found = dataclasses.replace(stack, outputs={**stack.outputs, "TelemetryTable": table})
    with Journal.of_fleet(folder, found) as journal:
        CoreRemover(of, found, journal, folder=folder).remove(RemovedCore(cores[0]))
    left = [item["core"]["S"] for item in of("dynamodb").scan(TableName=table)["Items"]]
    assert sorted(left) == cores[1:]


def test_dry_run_asks_about_several_cores_at_once(
    commands: Commands, fleet: DeployedFleet, cores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """About a thousand, one after the other, it would ask for minutes."""
    both, plan = threading.Barrier(len(cores), timeout=20), CoreRemover.plan

    def together(self: CoreRemover, core: str) -> RemovalPlan:
        both.wait()
        return plan(self, core)

    monkeypatch.setattr(CoreRemover, "plan", together)
    for words in (("remove", fleet.name, *cores), ("retire", fleet.name)):
        said = commands.json("fleet", *words, "--dry-run")
        assert said["cores"].keys() == {*cores}
