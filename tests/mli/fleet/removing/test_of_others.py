"""``fleet remove``: what belongs to others stays, and so does what they use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mli import aws
from mli.device.stacks.fleet import FleetStack
from mli.fleet import tags
from mli.fleet.journal import CERTIFICATE, IMPORT, Journal
from mli.listings import principals
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet, listed
from tests.mli.support import Commands, policy_documents

from .leftovers import (
    EMPTY_POLICY,
    all_of,
    arn_of,
    assert_usable,
    certificate_of,
    exists,
    give_certificate,
    left,
    members,
)


def test_certificate_of_another_thing_too_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot, shared = fleet.cloud.client("iot"), certificate_of(fleet, cores[0])
    other = f"{fleet.name}-other"
    iot.create_thing(thingName=other)
    iot.attach_thing_principal(thingName=other, principal=shared)
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    [kept] = said["kept"][cores[0]]
    assert kept == f"certificate {shared.rpartition('/')[2][:10]}…, which is also that of {other}"
    about = iot.describe_certificate(certificateId=shared.rpartition("/")[2])
    assert about["certificateDescription"]["status"] == "ACTIVE"
    assert principals(iot, other) == [shared]
    assert left(fleet, cores[0]) == []


def test_policy_of_others_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot, foreign = fleet.cloud.client("iot"), f"{fleet.name}-audit"
    iot.create_policy(policyName=foreign, policyDocument=EMPTY_POLICY)
    iot.attach_policy(policyName=foreign, target=certificate_of(fleet, cores[0]))
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert said["kept"][cores[0]] == [f"policy {foreign}, which is not this project's"]
    assert iot.get_policy(policyName=foreign)["policyDocument"] == EMPTY_POLICY


def test_own_policy_that_something_else_uses_is_kept(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot, user = fleet.cloud.client("iot"), certificate_of(fleet, cores[1])
    iot.attach_policy(policyName=f"{cores[0]}_CorePolicy", target=user)
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert said["kept"][cores[0]] == [f"policy {cores[0]}_CorePolicy, which {user} has too"]
    assert left(fleet, cores[0]) == [f"{cores[0]}_CorePolicy"]


def test_core_with_a_stack_of_its_own_only_leaves_the_group(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    group = names.thing_group_name(cores[0])
    iot.create_thing_group(thingGroupName=group)
    iot.add_thing_to_thing_group(thingGroupName=group, thingName=names.thing_name(cores[0]))
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert "which has a stack of its own" in said["kept"][cores[0]][0]
    assert len(left(fleet, cores[0])) == 3
    assert len(members(fleet)) == 1


def test_thing_for_which_a_creation_has_failed_is_kept(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, core = fleet.cloud.client("iot"), f"{fleet.name}-9"
    thing = names.thing_name(core)
    iot.create_thing(thingName=thing, attributePayload={"attributes": {"whose": "others"}})
    foreign = give_certificate(fleet, thing)
    found = FleetStack.find(aws.clients(), fleet.name)
    made = iot.create_keys_and_certificate(setAsActive=False)
    with Journal.of_fleet(Path("fleet") / fleet.name, found) as journal:
        noted = {"id": made["certificateId"], "arn": made["certificateArn"]}
        journal.note(core, CERTIFICATE, noted)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes")
    assert not exists(fleet, made["certificateArn"])
    assert said["kept"][core] == [f"thing {thing}, if there is one: it never joined the fleet"]
    assert iot.describe_thing(thingName=thing)["attributes"] == {"whose": "others"}
    assert_usable(fleet, core, foreign)


def test_thing_that_somebody_put_into_the_group_is_kept(
    commands: Commands, fleet: DeployedFleet
) -> None:
    core = f"{fleet.name}-8"
    fleet.add(core)
    thing = names.thing_name(core)
    foreign = give_certificate(fleet, thing)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes")
    assert said["kept"][core] == [
        f"thing {thing} and its certificate, which the fleet has not created"
    ]
    assert members(fleet) == []
    assert_usable(fleet, core, foreign)


def test_import_that_was_interrupted_before_its_policies_is_known_by_the_journal(
    commands: Commands, fleet: DeployedFleet
) -> None:
    core = f"{fleet.name}-7"
    fleet.add(core)
    foreign = give_certificate(fleet, names.thing_name(core))
    found = FleetStack.find(aws.clients(), fleet.name)
    with Journal.of_fleet(Path("fleet") / fleet.name, found) as journal:
        journal.note(core, CERTIFICATE, {"id": foreign.rpartition("/")[2], "arn": foreign})
        journal.note(core, IMPORT, [foreign.rpartition("/")[2]])
    commands.run("fleet", "remove", fleet.name, core, "--yes", "--output", f"fleet/{fleet.name}")
    assert_usable(fleet, core, foreign)


def test_policy_of_another_fleet_stays_though_an_old_journal_names_it(
    commands: Commands, fleet: DeployedFleet
) -> None:
    iot, core = fleet.cloud.client("iot"), f"{fleet.name}-6"
    name = f"{core}_CorePolicy"
    marks = tags.as_list({tags.FLEET: "another"})
    iot.create_policy(policyName=name, policyDocument=EMPTY_POLICY, tags=marks)
    found, gone = FleetStack.find(aws.clients(), fleet.name), "0" * 64
    with Journal.of_fleet(Path("fleet") / fleet.name, found) as journal:
        journal.note(core, CERTIFICATE, {"id": gone, "arn": arn_of(fleet, gone)})
        journal.note(core, name)
    commands.run("fleet", "remove", fleet.name, core, "--yes")
    assert iot.get_policy(policyName=name)["policyDocument"] == EMPTY_POLICY


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


@pytest.mark.parametrize("is_retired", [True, False])
def test_core_of_another_fleet_only_leaves_the_group(
    commands: Commands, fleet: DeployedFleet, is_retired: bool
) -> None:
    """Somebody has put it into the group of this fleet too."""
    iot, other = fleet.cloud.client("iot"), DeployedFleet.deployed(fleet.cloud)
    core = f"{other.name}-1"
    commands.run("fleet", "add", listed([core], "other.csv"), "--fleet", other.name)
    arn = certificate_of(fleet, core)
    iot.add_thing_to_thing_group(thingGroupName=fleet.name, thingName=names.thing_name(core))
    words = ("retire", fleet.name) if is_retired else ("remove", fleet.name, core)
    said = commands.json("fleet", *words, "--yes")
    assert said["kept"][core] == [f"all of {core}, which is a core of the fleet {other.name}"]
    assert members(fleet) == []
    assert members(other) == [names.thing_name(core)]
    assert certificate_of(fleet, core) == arn
    about = iot.describe_certificate(certificateId=arn.rpartition("/")[2])
    assert about["certificateDescription"]["status"] == "ACTIVE"
    attached = {one["policyName"] for one in iot.list_attached_policies(target=arn)["policies"]}
    assert attached == {f"{core}_CorePolicy", f"{core}_PublishPolicy"}


def test_policies_of_a_core_that_came_by_claim_go_with_it(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arn = certificate_of(fleet, cores[0])
    alias = names.fleet_role_alias_name(fleet.name)
    own = _give_policy_of_a_template(fleet, arn, cores[0], alias)
    foreign = _give_policy_of_a_template(fleet, arn, cores[1], alias)
    said = commands.json("fleet", "remove", fleet.name, cores[0], "--yes")
    assert said["kept"][cores[0]] == [f"policy {foreign}, which is not this project's"]
    left = {
        one["policyName"] for one in all_of(fleet.cloud.client("iot"), "list_policies", "policies")
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
    arn = give_certificate(fleet, thing)
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
    assert_usable(fleet, core, arn)


def _give_policy_of_a_template(fleet: DeployedFleet, arn: str, core: str, alias: str) -> str:
    """Attach a policy for a core, named as AWS IoT names those of provisioning templates.

    https://docs.aws.amazon.com/iot/latest/developerguide/single-thing-provisioning.html has a name.
    """
    iot, document = fleet.cloud.client("iot"), policy_documents(core, alias)["CorePolicy"]
    name = hashlib.sha1(json.dumps(document).encode()).hexdigest().upper()
    iot.create_policy(policyName=name, policyDocument=json.dumps(document))
    iot.attach_policy(policyName=name, target=arn)
    return name
