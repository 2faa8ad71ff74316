"""``fleet import``: things that exist join a fleet, and nothing of them is created or deleted."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from mli import aws
from mli.device.stacks import core as stack_of_core
from mli.device.stacks import fleet as stack_of_fleet
from mli.device.stacks import outputs
from mli.device.stacks.fleet import FleetStack
from mli.fleet import tags
from mli.fleet.core_list import FleetCore
from mli.fleet.importing import CoreImporter
from mli.fleet.journal import Journal
from mli.listings import principals
from stacks import names
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import Commands


def _existing(fleet: DeployedFleet, core: str, *, active: bool = True) -> str:
    """Create a thing with a certificate, as another tool has; return the certificate's id."""
    iot = fleet.cloud.client("iot")
    iot.create_thing(
        thingName=names.thing_name(core), attributePayload={"attributes": {"rack": "7"}}
    )
    made = iot.create_keys_and_certificate(setAsActive=active)
    iot.attach_thing_principal(thingName=names.thing_name(core), principal=made["certificateArn"])
    return str(made["certificateId"])


@pytest.fixture
def core(commands: Commands, fleet: DeployedFleet) -> str:
    return f"{fleet.name}-1"


def test_existing_thing_joins_with_the_certificate_that_it_has(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    identity, iot, thing = _existing(fleet, core), fleet.cloud.client("iot"), names.thing_name(core)
    words = ("fleet", "import", core, "--fleet", fleet.name)
    assert commands.json(*words, "--dry-run")["done"] == {core: identity}
    assert not Path("fleet").exists()
    assert iot.list_things_in_thing_group(thingGroupName=fleet.name)["things"] == []
    said = commands.json(*words)
    assert said["done"] == {core: identity}
    assert commands.json(*words)["done"] == said["done"]
    [arn] = principals(iot, thing)
    assert arn.endswith(identity)
    attached = {one["policyName"] for one in iot.list_attached_policies(target=arn)["policies"]}
    assert attached == {f"{core}_CorePolicy", f"{core}_PublishPolicy"}
    assert iot.list_things_in_thing_group(thingGroupName=fleet.name)["things"] == [thing]
    assert iot.describe_thing(thingName=thing)["attributes"] == {"rack": "7"}
    with zipfile.ZipFile(Path("fleet") / fleet.name / core / "greengrass-setup.zip") as opened:
        assert "private.pem.key" not in opened.namelist()
        configuration = json.loads(opened.read("config.yaml"))
    assert configuration["system"]["thingName"] == thing


def test_groups_of_others_need_no_names_that_a_fleet_can_have(
    commands: Commands, fleet: DeployedFleet, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS refuses to look for a stack whose name is no name, and that would end the command.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    """
    _existing(fleet, core)
    iot, thing = fleet.cloud.client("iot"), names.thing_name(core)
    for group in (f"0:site:{fleet.name}", f"0-{fleet.name}-{'g' * 100}"):
        iot.create_thing_group(thingGroupName=group)
        iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
    asked: list[str] = []
    read = outputs.read_outputs

    def spy(clients: aws.Clients, stack: str, *, key: str) -> tuple[str, Mapping[str, str]]:
        asked.append(stack)
        return read(clients, stack, key=key)

    for module in (stack_of_fleet, stack_of_core):
        monkeypatch.setattr(module, "read_outputs", spy)
    assert commands.json("fleet", "import", core, "--fleet", fleet.name)["done"].keys() == {core}
    commands.run("status", core, code=1)
    assert all(re.fullmatch("[a-zA-Z][-a-zA-Z0-9]{0,127}", stack) for stack in asked), asked


def test_removed_core_keeps_what_was_there_before_it_was_imported(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    identity, iot, thing = _existing(fleet, core), fleet.cloud.client("iot"), names.thing_name(core)
    commands.run("fleet", "import", core, "--fleet", fleet.name)
    Path("elsewhere").mkdir()  # another workstation, without the journal
    said = commands.json("fleet", "remove", fleet.name, core, "--yes", "--output", "elsewhere")
    assert said["kept"][core] == [
        f"thing {thing} and its certificate, which the fleet has not created"
    ]
    [arn] = principals(iot, thing)
    found = iot.describe_certificate(certificateId=identity)["certificateDescription"]
    assert found["status"] == "ACTIVE"
    assert iot.list_attached_policies(target=arn)["policies"] == []
    policies = iot.get_paginator("list_policies").paginate()
    listed = {one["policyName"] for page in policies for one in page["policies"]}
    assert f"{core}_CorePolicy" not in listed
    assert iot.list_things_in_thing_group(thingGroupName=fleet.name)["things"] == []


@pytest.mark.parametrize("output", ["fleet/FLEET", "elsewhere"])
def test_certificate_of_a_rotation_goes_with_an_imported_core(
    commands: Commands, fleet: DeployedFleet, core: str, output: str
) -> None:
    """Also where another workstation, without the journal, removes the core."""
    _existing(fleet, core)
    iot, thing = fleet.cloud.client("iot"), names.thing_name(core)
    commands.run("fleet", "import", core, "--fleet", fleet.name)
    created = []
    for _ in range(2):
        created.append(commands.json("fleet", "rotate", core)["certificateId"])
        commands.run("fleet", "rotate", core, "--finish", "--seen")
    commands.run("fleet", "import", core, "--fleet", fleet.name)  # updates it
    folder = output.replace("FLEET", fleet.name)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes", "--output", folder)
    assert said["kept"][core] == [f"thing {thing}, which the fleet has not created"]
    assert created[1][:10] in said["done"][core]
    for identity in created:
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_certificate(certificateId=identity)
    assert principals(iot, thing) == []
    assert iot.describe_thing(thingName=thing)["attributes"] == {"rack": "7"}


@pytest.mark.parametrize("output", ["fleet/FLEET", "elsewhere"])
def test_rotation_that_is_not_finished_leaves_an_imported_core_its_own_certificate(
    commands: Commands, fleet: DeployedFleet, core: str, output: str
) -> None:
    own, iot, thing = _existing(fleet, core), fleet.cloud.client("iot"), names.thing_name(core)
    commands.run("fleet", "import", core, "--fleet", fleet.name)
    created = commands.json("fleet", "rotate", core)["certificateId"]
    folder = output.replace("FLEET", fleet.name)
    said = commands.json("fleet", "remove", fleet.name, core, "--yes", "--output", folder)
    assert said["kept"][core] == [
        f"thing {thing} and its certificate, which the fleet has not created"
    ]
    [arn] = principals(iot, thing)
    assert arn.endswith(own)
    about = iot.describe_certificate(certificateId=own)["certificateDescription"]
    assert about["status"] == "ACTIVE"
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_certificate(certificateId=created)


def test_core_that_was_rotated_and_removed_can_be_imported_again(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    _existing(fleet, core)
    iot, words = fleet.cloud.client("iot"), ("fleet", "import", core, "--fleet", fleet.name)
    commands.run(*words)
    commands.run("fleet", "rotate", core)
    commands.run("fleet", "rotate", core, "--finish", "--seen")
    commands.run("fleet", "remove", fleet.name, core, "--yes")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_thing_principal(thingName=names.thing_name(core), principal=made["certificateArn"])
    assert commands.json(*words)["done"] == {core: made["certificateId"]}
    _assert_archived(fleet, core, made["certificatePem"])


def test_archive_has_the_certificate_that_its_owner_has_replaced_the_first_with(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    old, iot, thing = _existing(fleet, core), fleet.cloud.client("iot"), names.thing_name(core)
    words = ("fleet", "import", core, "--fleet", fleet.name)
    commands.run(*words)
    iot.update_certificate(certificateId=old, newStatus="INACTIVE")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
    assert commands.json(*words)["done"] == {core: made["certificateId"]}
    _assert_archived(fleet, core, made["certificatePem"])


def _assert_archived(fleet: DeployedFleet, core: str, certificate: str) -> None:
    with zipfile.ZipFile(Path("fleet") / fleet.name / core / "greengrass-setup.zip") as opened:
        assert opened.read("device.pem.crt").decode() == certificate
        assert "private.pem.key" not in opened.namelist()


def test_what_is_missing_is_named_for_each_core(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    iot, stem = fleet.cloud.client("iot"), fleet.name
    _existing(fleet, core)
    inactive = _existing(fleet, f"{stem}-2", active=False)
    iot.create_thing(thingName=names.thing_name(f"{stem}-3"))
    _existing(fleet, f"{stem}-5")
    own = names.thing_group_name(f"{stem}-5")
    iot.create_thing_group(thingGroupName=own)
    iot.add_thing_to_thing_group(thingGroupName=own, thingName=names.thing_name(f"{stem}-5"))
    Path("cores.csv").write_text("coreName\n" + "".join(f"{stem}-{n}\n" for n in range(1, 6)))
    said = commands.json("fleet", "import", "cores.csv", "--fleet", fleet.name, code=1)
    assert list(said["done"]) == [core]
    failed = said["failed"]
    assert f"no active certificate ({inactive[:10]}… INACTIVE)" in failed[f"{stem}-2"]
    assert "no active certificate (none is attached)" in failed[f"{stem}-3"]
    assert f"there is no thing {stem}-4_Core" in failed[f"{stem}-4"]
    assert "has a stack of its own" in failed[f"{stem}-5"]


def test_import_continues_after_the_end_of_the_process_at_any_request(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    identity, of, folder = _existing(fleet, core), aws.clients(), Path("fleet") / fleet.name
    found = FleetStack.find(of, fleet.name)
    marks = {tags.FLEET: fleet.name, tags.ORIGIN: tags.IMPORTED}

    def take_in() -> None:
        with Journal.of_fleet(folder, found) as journal:
            importer = CoreImporter(
                of,
                found,
                journal,
                folder=folder,
                nucleus="lite",
                root_ca=None,
                tags_of_stack=marks,
            )
            assert importer.take_in(FleetCore(core, None, {})) == identity

    ended = faults.until_done(take_in, is_answered=True)
    assert {"CreatePolicy", "AttachPolicy", "AddThingToThingGroup"} <= set(ended)


def test_core_of_another_fleet_is_refused(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    _existing(fleet, core)
    other = DeployedFleet.deployed(fleet.cloud)
    commands.run("fleet", "import", core, "--fleet", other.name)
    said = commands.run("fleet", "import", core, "--fleet", fleet.name, code=1)
    assert f"{core} is a core of the fleet {other.name}: remove it there first" in said


def test_core_of_another_fleet_that_has_no_policies_of_it_is_refused(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    """So is a core that came by claim: AWS IoT names its policies, and tags none."""
    iot, other = fleet.cloud.client("iot"), DeployedFleet.deployed(fleet.cloud)
    _existing(fleet, core)
    iot.add_thing_to_thing_group(thingGroupName=other.name, thingName=names.thing_name(core))
    said = commands.run("fleet", "import", core, "--fleet", fleet.name, code=1)
    assert f"{core} is a core of the fleet {other.name}: remove it there first" in said
    assert iot.list_things_in_thing_group(thingGroupName=fleet.name)["things"] == []


def test_created_and_imported_cores_are_not_mixed_up(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    _existing(fleet, core)
    commands.run("fleet", "import", core, "--fleet", fleet.name)
    Path("cores.csv").write_text(f"coreName\n{core}\n{fleet.name}-2\n")
    said = commands.json("fleet", "add", "cores.csv", "--fleet", fleet.name, code=1)
    assert said["failed"] == {core: f"{core} was imported: `mli fleet import` updates it"}
    again = commands.json("fleet", "import", f"{fleet.name}-2", "--fleet", fleet.name, code=1)
    assert "was created by `mli fleet add`" in again["failed"][f"{fleet.name}-2"]


def test_core_that_another_workstation_created_stays_the_fleet_s(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    Path("cores.csv").write_text(f"coreName\n{core}\n")
    commands.run("fleet", "add", "cores.csv", "--fleet", fleet.name)
    words = ("--fleet", fleet.name, "--output", "elsewhere")
    said = commands.run("fleet", "add", "cores.csv", *words, code=1)
    assert "it is in this fleet already, so give the folder that it was added with" in said
    said = commands.run("fleet", "import", core, *words, code=1)
    assert f"{core} was created by `mli fleet add`, and needs no import" in said
    assert not Path("elsewhere").exists()
    assert len(principals(fleet.cloud.client("iot"), names.thing_name(core))) == 1


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("nowhere.csv", "there is no file nowhere.csv"),
        ("more.csv", "has more than coreName"),
        ("bad name", "must be letters, digits"),
    ],
)
def test_list_that_cannot_be_imported(
    commands: Commands, fleet: DeployedFleet, given: str, fault: str
) -> None:
    Path("more.csv").write_text("coreName,attribute.hall\na,north\n")
    code = 2 if given == "bad name" else 1
    assert fault in commands.run("fleet", "import", given, "--fleet", fleet.name, code=code)
