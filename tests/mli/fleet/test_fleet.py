"""``fleet``: many cores from a list, into the group of a fleet's stack, resumable."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mli.aws import clients
from mli.device.certificates import keyfiles
from mli.device.stacks.core import CoreStack
from mli.device.stacks.fleet import FleetStack
from mli.listings import thing_groups
from stacks import names
from stacks.names import CORE_PLACEHOLDER
from tests.mli.deployed_fleet import DeployedFleet, listed
from tests.mli.support import ACCOUNT, Commands, policy_documents


def test_every_core_gets_all_that_it_needs(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    said = commands.json("fleet", listed(cores), "--fleet", fleet.name)
    assert sorted(said["done"]) == cores
    assert (said["failed"], said["notBegun"]) == ({}, [])
    iot = fleet.cloud.client("iot")
    members = iot.list_things_in_thing_group(thingGroupName=fleet.name)["things"]
    assert sorted(members) == [names.thing_name(name) for name in cores]
    for name, identity in said["done"].items():
        thing = iot.describe_thing(thingName=names.thing_name(name))
        assert thing["attributes"] == {"hall": "north"}
        arn = f"{ACCOUNT}:cert/{identity}"
        assert iot.list_thing_principals(thingName=thing["thingName"])["principals"] == [arn]
        certificate = iot.describe_certificate(certificateId=identity)["certificateDescription"]
        assert certificate["status"] == "ACTIVE"
        attached = iot.list_attached_policies(target=arn)["policies"]
        policies = {f"{name}_CorePolicy", f"{name}_PublishPolicy"}
        assert {policy["policyName"] for policy in attached} == policies
        folder = Path("fleet") / fleet.name / name
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with zipfile.ZipFile(folder / "greengrass-setup.zip") as opened:
            configuration = json.loads(opened.read("config.yaml"))
            keyfiles.check_pair(opened.read("device.pem.crt"), opened.read("private.pem.key"), name)
        assert configuration["system"]["thingName"] == thing["thingName"]
        nucleus = configuration["services"]["aws.greengrass.Nucleus"]["configuration"]
        assert nucleus["iotRoleAlias"] == names.fleet_role_alias_name(fleet.name)


def test_commands_for_the_devices_are_printed(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    words = ("fleet", "add", listed(cores), "--fleet", fleet.name)
    said = commands.run(*words)
    assert f"scp fleet/{fleet.name}/CORE_NAME/greengrass-setup.zip DEVICE:" in said
    assert "sudo unzip -o greengrass-setup.zip -d /greengrass/v2" in said
    assert "--init-config /greengrass/v2/config.yaml" in said
    assert "KEY" not in said.replace("private.pem.key", "")
    lite = commands.json(*words, "--nucleus", "lite")
    assert lite["commands"][0] == "sudo unzip -o greengrass-setup.zip -d /etc/greengrass"
    assert lite["warnings"] == []


@pytest.mark.parametrize("command", ["add", "import"])
def test_setting_that_nucleus_lite_does_not_have_is_a_warning(
    commands: Commands,
    fleet: DeployedFleet,
    cores: list[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    without = FleetStack.configuration_of

    def with_port(self: FleetStack, core: str) -> dict[str, Any]:
        found = without(self, core)
        nucleus = found["classic"]["services"]["aws.greengrass.Nucleus"]["configuration"]
        nucleus["mqtt"] = {"port": 443}
        return found

    monkeypatch.setattr(FleetStack, "configuration_of", with_port)
    given, status = (listed(cores), 0) if command == "add" else (cores[0], 1)  # it has no thing
    options = ("--fleet", fleet.name, "--nucleus", "lite", "--dry-run")
    shown = commands.run("fleet", command, given, *options, code=status)
    assert "warning: mqttPort=443 has no effect" in shown


def test_commands_to_copy_have_a_quoted_folder(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    given = ("fleet", "add", listed(cores), "--fleet", fleet.name, "--output", "my fleet")
    assert "scp 'my fleet'/CORE_NAME/greengrass-setup.zip DEVICE:" in commands.run(*given)


def test_deployment_is_the_stack_s(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    before = fleet.deployments()
    said = commands.json("fleet", listed(cores), "--fleet", fleet.name)
    assert said["components"] == {fleet.component: "1.0.0"}
    assert fleet.deployments() == before


def test_fleet_to_which_nothing_is_deployed_is_refused(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    greengrass = fleet.cloud.client("greengrassv2")
    for identity in fleet.deployments():
        greengrass.cancel_deployment(deploymentId=identity)
        greengrass.delete_deployment(deploymentId=identity)
    said = commands.run("fleet", listed(cores), "--fleet", fleet.name, code=1)
    assert f"nothing is deployed to the fleet {fleet.name}: deploy its stack" in said
    assert not Path("fleet").exists()


def test_fleet_without_a_stack_is_named_with_what_deploys_it(commands: Commands) -> None:
    said = commands.run("fleet", listed(["a"]), "--fleet", "nowhere", code=1)
    assert "there is no stack DlrInferenceFleet-nowhere in us-east-1" in said
    assert "npx cdk deploy -c fleetName=nowhere …" in said


def test_repeated_command_makes_nothing_new(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    first, again = commands.json(*arguments), commands.json(*arguments)
    assert again["done"] == first["done"]


def test_core_that_is_added_joins_the_others(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    options = ("--fleet", fleet.name)
    first = commands.json("fleet", listed(cores[:2]), *options)
    again = commands.json("fleet", listed(cores), *options)
    assert set(again["done"]) - set(first["done"]) == {cores[2]}


def test_signing_requests_leave_the_keys_on_the_devices(
    commands: Commands, fleet: DeployedFleet
) -> None:
    commands.run("certificate", "A", "--csr", "--folder", "device")
    name = f"{fleet.name}-csr"
    Path("cores.yaml").write_text(
        f"cores:\n- {{coreName: {name}, certificateSigningRequest: device/device.csr}}\n"
    )
    commands.run("fleet", "cores.yaml", "--fleet", fleet.name)
    folder = Path("fleet") / fleet.name / name
    assert not (folder / "private.pem.key").exists()
    with zipfile.ZipFile(folder / "greengrass-setup.zip") as opened:
        certificate = opened.read("device.pem.crt")
        assert "private.pem.key" not in opened.namelist()
    keyfiles.check_pair(certificate, Path("device/private.pem.key").read_bytes(), name)


def test_policies_follow_those_of_the_stack(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores[:1]), "--fleet", fleet.name)
    commands.run(*arguments)
    iot, followed = fleet.cloud.client("iot"), f"{cores[0]}_PublishPolicy"
    for number in range(5):  # AWS IoT keeps five versions of a policy
        arn = f"{ACCOUNT}:topic/feedback/{number}"
        statement = {"Effect": "Allow", "Action": ["iot:Publish"], "Resource": [arn]}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        fleet.deploy({"PublishPolicy": document})
        commands.run(*arguments)
        found = json.loads(iot.get_policy(policyName=followed)["policyDocument"])
        assert found["Statement"][0]["Resource"] == [arn]


def test_policy_of_somebody_else_is_not_changed(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    name = f"{cores[0]}_CorePolicy"
    iot.create_policy(policyName=name, policyDocument='{"Version": "2012-10-17", "Statement": []}')
    arguments = ("fleet", listed(cores[:1]), "--fleet", fleet.name)
    assert f"there is another policy {name}" in commands.run(*arguments, code=1)
    assert json.loads(iot.get_policy(policyName=name)["policyDocument"])["Statement"] == []


def test_status_of_a_core_without_a_stack_of_its_own(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    commands.run("fleet", listed(cores), "--fleet", fleet.name)
    assert "has never connected" in commands.run("status", cores[0], code=1)


def test_archive_is_written_again_for_another_nucleus(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores[:1]), "--fleet", fleet.name)
    first = commands.json(*arguments)
    archive = Path("fleet") / fleet.name / cores[0] / "greengrass-setup.zip"
    assert commands.json(*arguments, "--nucleus", "lite")["done"] == first["done"]
    with zipfile.ZipFile(archive) as opened:
        assert "certs/private.pem.key" in opened.namelist()


def test_attributes_that_change_in_the_list_are_reported(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    first = commands.json(*arguments)
    Path("cores.csv").write_text(Path("cores.csv").read_text().replace("north", "south", 1))
    thing = names.thing_name(cores[0])
    failed = commands.json(*arguments, code=1)["failed"]
    assert list(failed) == [cores[0]]
    assert f"`aws iot update-thing --thing-name {thing}` if it is this core's" in failed[cores[0]]
    fleet.cloud.client("iot").update_thing(
        thingName=thing, attributePayload={"attributes": {"hall": "south"}}
    )
    assert commands.json(*arguments)["done"] == first["done"]


def test_core_without_files_on_this_workstation_is_still_done(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    first = commands.json(*arguments)
    shutil.rmtree(Path("fleet") / fleet.name / cores[0])  # its archive is on the device
    assert commands.json(*arguments)["done"] == first["done"]


@pytest.mark.parametrize("folder", ["claim", "removed"])
def test_core_may_be_named_like_another_folder(
    commands: Commands, fleet: DeployedFleet, folder: str
) -> None:
    policy = names.claim_policy_name(fleet.name)
    document = '{"Version": "2012-10-17", "Statement": []}'
    fleet.cloud.client("iot").create_policy(policyName=policy, policyDocument=document)
    claim = commands.json("fleet", "claim", fleet.name)["certificateId"]
    said = commands.json("fleet", listed([folder]), "--fleet", fleet.name)
    assert said["done"][folder] != claim
    assert (Path("fleet") / fleet.name / f"{folder}.core" / "greengrass-setup.zip").exists()
    commands.run("fleet", "remove", fleet.name, folder, "--yes")
    assert commands.json("fleet", "claim", fleet.name)["certificateId"] == claim


def test_core_keeps_the_key_that_it_was_created_with(
    commands: Commands, fleet: DeployedFleet
) -> None:
    """Also where the list does not name it any more, or names another one."""
    for device in ("a", "b"):
        commands.run("certificate", "A", "--csr", "--folder", device)
    core, other = f"{fleet.name}-csr", f"{fleet.name}-other"
    line = "coreName,certificateSigningRequest\n{core},{request}\n{other},\n"
    arguments = ("fleet", "cores.csv", "--fleet", fleet.name)

    def add(request: str, code: int = 0) -> dict[str, Any]:
        Path("cores.csv").write_text(line.format(core=core, other=other, request=request))
        return commands.json(*arguments, code=code)

    add("a/device.csr")
    assert f"the key of {core} is on the device" in add("", code=1)["failed"][core]
    failed = add("b/device.csr", code=1)["failed"]
    assert list(failed) == [core]
    assert f"the certificate of {core} is for another key than b/device.csr" in failed[core]
    add("a/device.csr")


def test_fleet_whose_thing_group_is_gone_is_refused(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    fleet.cloud.client("iot").delete_thing_group(thingGroupName=fleet.name)
    given = listed(cores)
    for words in (("add", given, "--dry-run"), ("add", given), ("import", *cores)):
        said = commands.run("fleet", *words, "--fleet", fleet.name, code=1)
        assert f"`aws iot create-thing-group --thing-group-name {fleet.name}` creates it" in said
    assert not Path("fleet").exists()


def test_certificate_that_somebody_has_deleted_is_the_fault_of_one_core(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    """The others get what has changed: here the configuration of another nucleus."""
    arguments = ["fleet", listed(cores), "--fleet", fleet.name, "--workers", "1"]
    identity = commands.json(*arguments)["done"][cores[0]]
    iot, arn = fleet.cloud.client("iot"), f"{ACCOUNT}:cert/{identity}"
    iot.update_certificate(certificateId=identity, newStatus="INACTIVE")
    iot.detach_thing_principal(thingName=names.thing_name(cores[0]), principal=arn)
    iot.delete_certificate(certificateId=identity, forceDelete=True)
    fix = f"mli fleet remove {fleet.name} {cores[0]} --yes"
    for words in (("--dry-run",), ()):
        found = commands.json(*arguments, "--nucleus", "lite", *words, code=1)
        assert found["done"].keys() == {*cores[1:]}
        assert found["notBegun"] == []
        assert fix in found["failed"][cores[0]]
    commands.run(*fix.split()[1:])
    assert commands.json(*arguments, "--nucleus", "lite")["done"].keys() == {*cores}


@pytest.mark.parametrize("is_imported", [False, True])
def test_core_of_the_canary_does_not_join_the_others_when_it_is_updated(
    commands: Commands, fleet: DeployedFleet, cores: list[str], is_imported: bool
) -> None:
    """In both groups it would get two deployments, whose versions differ while one is tried."""
    iot, (core, *_) = fleet.cloud.client("iot"), cores
    given = ["fleet", "add", listed(cores), "--fleet", fleet.name]
    if is_imported:
        thing, made = names.thing_name(core), iot.create_keys_and_certificate(setAsActive=True)
        iot.create_thing(thingName=thing)
        iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
        given = ["fleet", "import", core, "--fleet", fleet.name]
    commands.run(*given)
    canary = iot.create_thing_group(thingGroupName=names.canary_group_name(fleet.name))
    policies = policy_documents(CORE_PLACEHOLDER, names.fleet_role_alias_name(fleet.name))
    fleet.deploy(policies, canary["thingGroupArn"])
    commands.run("fleet", "canary", fleet.name, core)
    assert CoreStack.find(clients(), core).deployment_target == canary["thingGroupArn"]
    commands.run(*given, "--nucleus", "lite")
    assert thing_groups(iot, names.thing_name(core)) == [canary["thingGroupName"]]


def test_core_that_another_workstation_has_removed_is_not_done(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    """The journal here does not know of it."""
    adding = ["fleet", "add", listed(cores), "--fleet", fleet.name]
    commands.run(*adding)
    commands.run("fleet", "remove", fleet.name, cores[0], "--yes", "--output", "elsewhere")
    found = commands.json(*adding, code=1)
    assert found["done"].keys() == {*cores[1:]}
    assert f"mli fleet remove {fleet.name} {cores[0]} --yes" in found["failed"][cores[0]]
    commands.run("fleet", "remove", fleet.name, cores[0], "--yes")
    assert commands.json(*adding)["done"].keys() == {*cores}


def test_core_that_somebody_took_out_of_the_group_joins_it_again(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    adding = ["fleet", "add", listed(cores), "--fleet", fleet.name]
    before = commands.json(*adding)["done"]
    iot, thing = fleet.cloud.client("iot"), names.thing_name(cores[0])
    iot.remove_thing_from_thing_group(thingGroupName=fleet.name, thingName=thing)
    assert commands.json(*adding, "--dry-run")["done"][cores[0]] == "updated"
    assert commands.json(*adding)["done"] == before
    assert thing_groups(iot, thing) == [fleet.name]


def test_certificate_that_its_owner_has_deactivated_stays_inactive(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    """Such as that of a stolen device: an update of all cores must not let it in again."""
    adding = ["fleet", "add", listed(cores), "--fleet", fleet.name]
    identity = commands.json(*adding)["done"][cores[0]]
    iot = fleet.cloud.client("iot")
    iot.update_certificate(certificateId=identity, newStatus="INACTIVE")
    assert commands.json(*adding, "--nucleus", "lite")["done"].keys() == {*cores}
    found = iot.describe_certificate(certificateId=identity)["certificateDescription"]
    assert found["status"] == "INACTIVE"
