"""``fleet remove`` and ``fleet retire``: nothing is left of a core, and nothing else is lost."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_core.cloud.v2.delivery import SHADOW
from mli import aws
from mli.cli.output import Output
from mli.device.stacks.fleet import FleetStack
from mli.fleet import tags
from mli.fleet.journal import CERTIFICATE, CLAIMS, IMPORT, OF_FLEET, Journal
from mli.fleet.removing.removal import CoreRemover
from mli.fleet.removing.remove import RemovedCore
from mli.fleet.removing.retire import retire_all
from mli.fleet.work import Named, Result
from mli.listings import principals
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import ACCOUNT, Commands, policy_documents

EMPTY_POLICY = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def cores(commands: Commands, fleet: DeployedFleet) -> list[str]:
    """Three cores of the fleet, created."""
    listed = [f"{fleet.name}-{number}" for number in range(3)]
    _add(commands, fleet, listed)
    return listed


def _add(commands: Commands, fleet: DeployedFleet, cores: list[str]) -> dict[str, Any]:
    Path("cores.csv").write_text("coreName\n" + "".join(f"{core}\n" for core in cores))
    return commands.json("fleet", "add", "cores.csv", "--fleet", fleet.name)


def _left(fleet: DeployedFleet, core: str) -> list[str]:
    """Return what AWS IoT still has of a core."""
    iot = fleet.cloud.client("iot")
    things = {one["thingName"] for one in _all(iot, "list_things", "things")}
    policies = {one["policyName"] for one in _all(iot, "list_policies", "policies")}
    own = {f"{core}_CorePolicy", f"{core}_PublishPolicy", names.thing_name(core)}
    return sorted((things | policies) & own)


def _all(client: Any, operation: str, key: str, **request: Any) -> list[Any]:
    pages = client.get_paginator(operation).paginate(**request)
    return [item for page in pages for item in page[key]]


def _members(fleet: DeployedFleet) -> list[str]:
    iot = fleet.cloud.client("iot")
    return sorted(_all(iot, "list_things_in_thing_group", "things", thingGroupName=fleet.name))


def _certificate(fleet: DeployedFleet, core: str) -> str:
    [arn] = principals(fleet.cloud.client("iot"), names.thing_name(core))
    return arn


def _exists(fleet: DeployedFleet, certificate_arn: str) -> bool:
    iot = fleet.cloud.client("iot")
    found = _all(iot, "list_certificates", "certificates", pageSize=250)
    return certificate_arn in {one["certificateArn"] for one in found}


def test_removed_core_leaves_nothing_and_the_others_stay(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    data, greengrass = fleet.cloud.client("iot-data"), fleet.cloud.client("greengrassv2")
    gone, thing = _certificate(fleet, cores[0]), names.thing_name(cores[0])
    for shadow in ({}, {"shadowName": SHADOW}):
        data.update_thing_shadow(thingName=thing, payload=b'{"state": {}}', **shadow)
    greengrass.create_deployment(targetArn=f"{ACCOUNT}:thing/{thing}")
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert list(said["done"]) == [cores[0]]
    assert said["kept"] == {}
    for shadow in ({}, {"shadowName": SHADOW}):
        with pytest.raises(data.exceptions.ResourceNotFoundException):
            data.get_thing_shadow(thingName=thing, **shadow)
    assert _left(fleet, cores[0]) == []
    assert not _exists(fleet, gone)
    found = greengrass.list_deployments(targetArn=f"{ACCOUNT}:thing/{thing}", historyFilter="ALL")
    assert found["deployments"] == []
    assert _members(fleet) == [names.thing_name(core) for core in cores[1:]]
    for core in cores[1:]:
        assert len(_left(fleet, core)) == 3
        assert _exists(fleet, _certificate(fleet, core))
    assert not (Path("fleet") / fleet.name / cores[0]).exists()
    moved = list((Path("fleet") / fleet.name / "removed").glob(f"{cores[0]}-*/private.pem.key"))
    assert len(moved) == 1


def test_removal_continues_after_the_end_of_the_process_at_any_request(
    commands: Commands, fleet: DeployedFleet
) -> None:
    cores = [f"{fleet.name}-{number}" for number in range(1, 28)]
    _add(commands, fleet, cores)
    of, folder, ended = aws.clients(), Path("fleet") / fleet.name, []
    found = FleetStack.find(of, fleet.name)

    def remove(core: str) -> None:
        with Journal.of_fleet(folder, found) as journal:
            CoreRemover(of, found, journal, folder=folder).remove(RemovedCore(core))

    for number, core in enumerate(cores, 1):
        gone = _certificate(fleet, core)
        try:
            with faults.killed_at(number, is_answered=True):
                remove(core)
        except faults.Killed as at:
            ended.append(str(at))
            remove(core)
        assert _left(fleet, core) == []
        assert not _exists(fleet, gone)
        if len(ended) < number:
            break
    changing = [name for name in ended if not name.startswith(("Describe", "List", "Get"))]
    assert changing == [
        "RemoveThingFromThingGroup", "UpdateCertificate", "DetachPolicy", "DetachPolicy",
        "DetachThingPrincipal", "DeleteCertificate", "DeletePolicy", "DeletePolicy",
        "DeleteCoreDevice", "DeleteThingShadow", "DeleteThingShadow", "DeleteThing", "DeleteItem",
    ]  # fmt: skip
    assert len(_members(fleet)) == len(cores) - len(ended) - 1


def test_core_can_be_created_again_under_its_name(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    before = _certificate(fleet, cores[0])
    commands.run("fleet", "remove", fleet.name, cores[0], "--yes")
    said = _add(commands, fleet, cores)
    assert sorted(said["done"]) == cores
    assert not before.endswith(said["done"][cores[0]])
    assert len(_left(fleet, cores[0])) == 3


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
    assert "3 cores would be removed for good: add --yes" in said
    plans = commands.json(*words, "--dry-run")["cores"]
    assert sorted(plans) == cores
    assert plans[cores[0]]["policies"] == [f"{cores[0]}_CorePolicy", f"{cores[0]}_PublishPolicy"]
    assert len(_members(fleet)) == 3
    assert all(_exists(fleet, _certificate(fleet, core)) for core in cores)
    assert not folder.parent.exists()


def test_certificate_of_another_thing_too_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot, shared = fleet.cloud.client("iot"), _certificate(fleet, cores[0])
    other = f"{fleet.name}-other"
    iot.create_thing(thingName=other)
    iot.attach_thing_principal(thingName=other, principal=shared)
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    [kept] = said["kept"][cores[0]]
    assert kept == f"certificate {shared.rpartition('/')[2][:10]}…, which is also that of {other}"
    about = iot.describe_certificate(certificateId=shared.rpartition("/")[2])
    assert about["certificateDescription"]["status"] == "ACTIVE"
    assert principals(iot, other) == [shared]
    assert _left(fleet, cores[0]) == []


def test_policy_of_others_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot, foreign = fleet.cloud.client("iot"), f"{fleet.name}-audit"
    iot.create_policy(policyName=foreign, policyDocument=EMPTY_POLICY)
    iot.attach_policy(policyName=foreign, target=_certificate(fleet, cores[0]))
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert said["kept"][cores[0]] == [f"policy {foreign}, which is not this project's"]
    assert iot.get_policy(policyName=foreign)["policyDocument"] == EMPTY_POLICY


def test_own_policy_that_something_else_uses_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot, user = fleet.cloud.client("iot"), _certificate(fleet, cores[1])
    iot.attach_policy(policyName=f"{cores[0]}_CorePolicy", target=user)
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert said["kept"][cores[0]] == [f"policy {cores[0]}_CorePolicy, which {user} has too"]
    assert _left(fleet, cores[0]) == [f"{cores[0]}_CorePolicy"]


def test_core_with_a_stack_of_its_own_only_leaves_the_group(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    group = names.thing_group_name(cores[0])
    iot.create_thing_group(thingGroupName=group)
    iot.add_thing_to_thing_group(thingGroupName=group, thingName=names.thing_name(cores[0]))
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert "which has a stack of its own" in said["kept"][cores[0]][0]
    assert len(_left(fleet, cores[0])) == 3
    assert len(_members(fleet)) == 2


def test_core_of_no_fleet_is_refused(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    stranger = f"{fleet.name}-stranger"
    iot.create_thing(thingName=names.thing_name(stranger))
    said = commands.run("fleet", "remove", fleet.name, stranger, cores[0], "--yes", code=1)
    assert f"{names.thing_name(stranger)} is not in the fleet {fleet.name}" in said
    assert _left(fleet, stranger) == [names.thing_name(stranger)]
    assert _left(fleet, cores[0]) == []


def test_thing_for_which_a_creation_has_failed_is_kept(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, core = fleet.cloud.client("iot"), f"{fleet.name}-9"
    thing = names.thing_name(core)
    iot.create_thing(thingName=thing, attributePayload={"attributes": {"whose": "others"}})
    foreign = _give_certificate(fleet, thing)
    found = FleetStack.find(aws.clients(), fleet.name)
    made = iot.create_keys_and_certificate(setAsActive=False)
    with Journal.of_fleet(Path("fleet") / fleet.name, found) as journal:
        noted = {"id": made["certificateId"], "arn": made["certificateArn"]}
        journal.note(core, CERTIFICATE, noted)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes")
    assert not _exists(fleet, made["certificateArn"])
    assert said["kept"][core] == [f"thing {thing}, if there is one: it never joined the fleet"]
    assert iot.describe_thing(thingName=thing)["attributes"] == {"whose": "others"}
    _assert_usable(fleet, core, foreign)


def test_thing_that_somebody_put_into_the_group_is_kept(
    commands: Commands, fleet: DeployedFleet
) -> None:
    core = f"{fleet.name}-8"
    fleet.add(core)
    thing = names.thing_name(core)
    foreign = _give_certificate(fleet, thing)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes")
    assert said["kept"][core] == [
        f"thing {thing} and its certificate, which the fleet has not created"
    ]
    assert _members(fleet) == []
    _assert_usable(fleet, core, foreign)


def test_import_that_was_interrupted_before_its_policies_is_known_by_the_journal(
    commands: Commands, fleet: DeployedFleet
) -> None:
    core = f"{fleet.name}-7"
    fleet.add(core)
    foreign = _give_certificate(fleet, names.thing_name(core))
    found = FleetStack.find(aws.clients(), fleet.name)
    with Journal.of_fleet(Path("fleet") / fleet.name, found) as journal:
        journal.note(core, CERTIFICATE, {"id": foreign.rpartition("/")[2], "arn": foreign})
        journal.note(core, IMPORT, [foreign.rpartition("/")[2]])
    commands.run("fleet", "remove", fleet.name, core, "--yes", "--output", f"fleet/{fleet.name}")
    _assert_usable(fleet, core, foreign)


def test_policy_of_another_fleet_stays_though_an_old_journal_names_it(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, core = fleet.cloud.client("iot"), f"{fleet.name}-6"
    name = f"{core}_CorePolicy"
    marks = tags.as_list({tags.FLEET: "another"})
    iot.create_policy(policyName=name, policyDocument=EMPTY_POLICY, tags=marks)
    found, gone = FleetStack.find(aws.clients(), fleet.name), "0" * 64
    with Journal.of_fleet(Path("fleet") / fleet.name, found) as journal:
        journal.note(core, CERTIFICATE, {"id": gone, "arn": _arn_of(fleet, gone)})
        journal.note(core, name)
    commands.run("fleet", "remove", fleet.name, core, "--yes")
    assert iot.get_policy(policyName=name)["policyDocument"] == EMPTY_POLICY


def _give_certificate(fleet: DeployedFleet, thing: str) -> str:
    """Give a thing an active certificate with a policy, as its owner would; return its ARN."""
    iot = fleet.cloud.client("iot")
    arn = str(iot.create_keys_and_certificate(setAsActive=True)["certificateArn"])
    iot.create_policy(policyName=f"{thing}-of-others", policyDocument=EMPTY_POLICY)
    iot.attach_policy(policyName=f"{thing}-of-others", target=arn)
    iot.attach_thing_principal(thingName=thing, principal=arn)
    return arn


def _assert_usable(fleet: DeployedFleet, core: str, certificate_arn: str) -> None:
    """Check that a thing still has its active certificate, and that its policy."""
    iot, thing = fleet.cloud.client("iot"), names.thing_name(core)
    assert principals(iot, thing) == [certificate_arn]
    about = iot.describe_certificate(certificateId=certificate_arn.rpartition("/")[2])
    assert about["certificateDescription"]["status"] == "ACTIVE"
    attached = iot.list_attached_policies(target=certificate_arn)["policies"]
    assert [one["policyName"] for one in attached] == [f"{thing}-of-others"]


def test_retired_fleet_has_no_cores_and_no_deployments(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, greengrass = fleet.cloud.client("iot"), fleet.cloud.client("greengrassv2")
    core, below = f"{fleet.name}-0", f"{fleet.name}-below"
    _add(commands, fleet, [core])
    arn = iot.create_thing_group(thingGroupName=below, parentGroupName=fleet.name)["thingGroupArn"]
    other = iot.create_thing_group(thingGroupName=f"{fleet.name}-beside")["thingGroupName"]
    greengrass.create_deployment(targetArn=arn)
    commands.run("redeploy", fleet.name, "--again", "--no-wait")
    of, folder = aws.clients(), Path("fleet") / fleet.name
    found = FleetStack.find(of, fleet.name)

    def retire() -> None:
        with Journal.of_fleet(folder, found) as journal:
            remover = CoreRemover(of, found, journal, folder=folder)
            retire_all(of, found, remover, journal, 1, Result(), Output(as_json=True))

    ended = faults.until_done(retire, is_answered=True)
    assert len(ended) > 10
    assert _members(fleet) == []
    assert _left(fleet, core) == []
    assert fleet.deployments() == []
    groups = {one["groupName"] for one in _all(iot, "list_thing_groups", "thingGroups")}
    assert {fleet.name, other} <= groups
    assert below not in groups
    said = commands.run("fleet", "retire", fleet.name, "--yes")
    assert f"npx cdk destroy -c fleetName={fleet.name}" in said


def test_no_device_becomes_a_core_of_a_fleet_that_is_being_retired(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, policy = fleet.cloud.client("iot"), names.claim_policy_name(fleet.name)
    iot.create_policy(policyName=policy, policyDocument=EMPTY_POLICY)
    said = commands.json("fleet", "claim", fleet.name)
    commands.run("fleet", "claim", fleet.name, "--new")
    shown = commands.run("fleet", "retire", fleet.name, "--dry-run")
    assert "2 claims, by which devices come, would be deleted" in shown
    iot.detach_policy(policyName=policy, target=_arn_of(fleet, said["certificateId"]))
    of, folder = aws.clients(), Path("fleet") / fleet.name
    found = FleetStack.find(of, fleet.name)
    with Journal.of_fleet(folder, found) as journal:  # as an interrupted command leaves it
        journal.note(OF_FLEET, CLAIMS, [said["certificateId"]])
    late = f"{fleet.name}-late"
    with _coming_after_the_first_removal(fleet, late):
        _add(commands, fleet, [f"{fleet.name}-0"])
        commands.run("fleet", "retire", fleet.name, "--yes")
    assert _members(fleet) == []
    assert _left(fleet, late) == []
    assert iot.list_targets_for_policy(policyName=policy)["targets"] == []
    assert not _exists(fleet, _arn_of(fleet, said["certificateId"]))
    with Journal.of_fleet(folder, found) as journal:
        assert journal.get(OF_FLEET, CLAIMS) is None


def _arn_of(fleet: DeployedFleet, certificate_id: str) -> str:
    return f"{ACCOUNT}:cert/{certificate_id}"


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


def test_policies_have_the_tags_of_the_stack(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    policy = iot.get_policy(policyName=f"{cores[0]}_CorePolicy")
    assert tags.tags_of(iot, policy["policyArn"])[tags.FLEET] == fleet.name


def test_policy_that_is_tagged_as_another_fleet_s_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    name = f"{cores[0]}_CorePolicy"
    arn = iot.get_policy(policyName=name)["policyArn"]
    iot.tag_resource(resourceArn=arn, tags=tags.as_list({tags.FLEET: "another"}))
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert f"policy {name}, which its tag says is of another fleet" in said["kept"][cores[0]]
    assert json.loads(iot.get_policy(policyName=name)["policyDocument"])


def test_policies_of_a_core_that_came_by_claim_go_with_it(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arn = _certificate(fleet, cores[0])
    alias = names.fleet_role_alias_name(fleet.name)
    own = _give_policy_of_a_template(fleet, arn, cores[0], alias)
    foreign = _give_policy_of_a_template(fleet, arn, cores[1], alias)
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert said["kept"][cores[0]] == [f"policy {foreign}, which is not this project's"]
    left = {
        one["policyName"] for one in _all(fleet.cloud.client("iot"), "list_policies", "policies")
    }
    assert own not in left
    assert foreign in left


@pytest.mark.parametrize("is_imported", [True, False])
def test_policies_of_somebody_else_s_template_stay_with_their_thing(
    commands: Commands, fleet: DeployedFleet, is_imported: bool
) -> None:
    core = f"{fleet.name}-6"
    thing = names.thing_name(core)
    iot = fleet.cloud.client("iot")
    iot.create_thing(thingName=thing)
    arn = _give_certificate(fleet, thing)
    policy = _give_policy_of_a_template(fleet, arn, core, "alias-of-others")
    if is_imported:
        commands.run("fleet", "import", core, "--fleet", fleet.name)
    else:
        iot.add_thing_to_thing_group(thingGroupName=fleet.name, thingName=thing)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes")
    assert said["kept"][core] == [
        f"thing {thing} and its certificate, which the fleet has not created"
    ]
    iot.detach_policy(policyName=policy, target=arn)  # which fails if it is not attached any more
    iot.delete_policy(policyName=policy)
    _assert_usable(fleet, core, arn)


def _give_policy_of_a_template(fleet: DeployedFleet, arn: str, core: str, alias: str) -> str:
    """Attach a policy for a core, named as AWS IoT names those of provisioning templates."""
    iot, document = fleet.cloud.client("iot"), policy_documents(core, alias)["CorePolicy"]
    name = hashlib.sha256(json.dumps(document).encode()).hexdigest()
    iot.create_policy(policyName=name, policyDocument=json.dumps(document))
    iot.attach_policy(policyName=name, target=arn)
    return name


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
