"""``fleet``: many cores from a list, into the group of a fleet's stack, resumable."""

from __future__ import annotations

import functools
import json
import shutil
import stat
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.client
import pytest

import mli.fleet.options
from local_core.cloud import LocalCloud
from mli import aws
from mli.cli.output import Output
from mli.device.certificates import keyfiles
from mli.fleet.core_list import FleetCore
from mli.fleet.work import Result, for_all
from stacks import names
from tests.disks import disk
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import ACCOUNT, Commands, refusal


def listed(cores: list[str], file: str = "cores.csv") -> str:
    """Write a list of these cores, and return its name."""
    Path(file).write_text("coreName,attribute.hall\n" + "".join(f"{c},north\n" for c in cores))
    return file


def _faulty(
    monkeypatch: pytest.MonkeyPatch, event: str, answer: Callable[..., Any], after: int
) -> None:
    """Let AWS answer so to every request of ``event`` but the first ``after``."""
    inner, lock, calls = aws.clients, threading.Lock(), []

    def clients(region: str | None = None, profile: str | None = None) -> Callable[[str], Any]:
        made = inner(region, profile)

        def handle(request: Any, **options: Any) -> Any:
            with lock:
                calls.append(request)
                return answer(request) if len(calls) > after else None

        @functools.cache
        def get(service: str) -> Any:
            client = made(service)
            client.meta.events.register_first(f"before-send.{event}", handle)
            return client

        return get

    monkeypatch.setattr(mli.fleet.options, "clients", clients)


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


@pytest.mark.parametrize(
    "event", ["iot.CreateThing", "iot.UpdateCertificate", "iot.AttachPolicy",
              "iot.CreateKeysAndCertificate", "iot.AddThingToThingGroup"]
)  # fmt: skip
def test_session_that_expires_midway_is_gone_on_from(
    commands: Commands,
    fleet: DeployedFleet,
    cores: list[str],
    event: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    expired = refusal("ExpiredTokenException", "The security token is expired", 403)
    with monkeypatch.context() as broken:
        _faulty(broken, event, expired, after=1)
        said = commands.json(*arguments, "--workers", "1", code=1)
    assert len(said["done"]) + len(said["failed"]) + len(said["notBegun"]) == len(cores)
    assert len(said["failed"]) == 1
    [reason] = said["failed"].values()
    assert "session has expired" in reason
    before = _certificates(fleet.cloud)
    again = commands.json(*arguments)
    assert sorted(again["done"]) == cores
    noted = {n for n, i in again["done"].items() if i in before}
    assert set(said["done"]) <= noted
    # What had a certificate before has the same one now: none is made twice.
    assert len(_certificates(fleet.cloud)) - len(before) == len(cores) - len(noted)


def test_faults_of_one_core_do_not_stop_the_others(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    iot = fleet.cloud.client("iot")
    iot.create_thing(thingName=names.thing_name(cores[1]))  # with other attributes
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    said = commands.result(*arguments, code=1).stdout
    assert "2 of 3 cores done, 1 failed, 0 not begun" in said
    assert (
        f"{cores[1]}: there is a thing {names.thing_name(cores[1])} with other attributes" in said
    )
    assert "the same command, which continues from here" in said
    payload = {"attributes": {"hall": "north"}}
    iot.update_thing(thingName=names.thing_name(cores[1]), attributePayload=payload)
    assert sorted(commands.json(*arguments)["done"]) == cores


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


def test_certificate_whose_note_was_lost_is_taken_over(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    arguments = ("fleet", listed(cores), "--fleet", fleet.name)
    first = commands.json(*arguments)
    journal = Path("fleet") / fleet.name / "journal.jsonl"
    head = journal.read_text().splitlines()[0]
    journal.write_text(head + '\n{"core": "half a li')
    assert commands.json(*arguments)["done"] == first["done"]


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


def test_full_disk_leaves_no_certificate_whose_key_is_lost(
    commands: Commands, fleet: DeployedFleet, cores: list[str], tmp_path: Path
) -> None:
    with disk(tmp_path / "small", "2M") as small:
        folder = small.folder / "fleet"
        words = ("--fleet", fleet.name, "--output", str(folder))
        commands.run("fleet", listed(cores[:1]), *words)
        keyfiles.KeyFolder(folder / cores[1]).prepare()
        before = _certificates(fleet.cloud)
        with small.filled():
            said = commands.run("fleet", listed(cores), *words, "--workers", "1", code=1)
        assert f"{folder / cores[1] / 'private.pem.key'}: No space left on device" in said
        assert "1 of 3 cores done, 1 failed, 1 not begun" in said
        assert _certificates(fleet.cloud) == before
        assert sorted(commands.json("fleet", listed(cores), *words)["done"]) == cores


def test_key_that_an_interruption_left_without_a_certificate_is_put_aside(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    keys = keyfiles.KeyFolder(Path("fleet") / fleet.name / cores[0])
    keys.prepare()
    keys.write_key(b"a key whose certificate is lost")
    commands.run("fleet", listed(cores), "--fleet", fleet.name)
    [aside] = keys.path.glob("private.pem.key.*")
    assert aside.read_bytes() == b"a key whose certificate is lost"
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


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


def test_dry_run_makes_nothing(commands: Commands, fleet: DeployedFleet, cores: list[str]) -> None:
    said = commands.json("fleet", listed(cores), "--fleet", fleet.name, "--dry-run")
    assert said["components"] == {fleet.component: "1.0.0"}
    assert said["done"] == dict.fromkeys(cores, "created")
    members = fleet.cloud.client("iot").list_things_in_thing_group(thingGroupName=fleet.name)
    assert members["things"] == []
    assert not Path("fleet").exists()


def test_dry_run_says_what_would_be_done_and_refused_and_asks_only(
    commands: Commands, fleet: DeployedFleet, cores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    iot, (done, begun, new), options = fleet.cloud.client("iot"), cores, ("--fleet", fleet.name)
    foreign = [f"{fleet.name}-{name}" for name in ("certified", "policy", "attributes")]
    with monkeypatch.context() as patched:
        refused = refusal("InvalidRequestException", "no")
        _faulty(patched, "iot.AttachPolicy", refused, after=2)
        commands.run("fleet", listed([done, begun]), *options, "--workers", "1", code=1)
    hall = {"attributes": {"hall": "north"}}
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_thing(thingName=names.thing_name(foreign[0]), attributePayload=hall)
    iot.attach_thing_principal(
        thingName=names.thing_name(foreign[0]), principal=made["certificateArn"]
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    iot.create_policy(policyName=f"{foreign[1]}_CorePolicy", policyDocument=document)
    iot.create_thing(thingName=names.thing_name(foreign[2]))
    file, journal = listed([*cores, *foreign]), Path("fleet") / fleet.name / "journal.jsonl"
    before, called = journal.read_bytes(), set[str]()
    _note_calls(monkeypatch, called)
    said = commands.json("fleet", "add", file, *options, "--dry-run", code=1)
    assert said["done"] == {done: "unchanged", begun: "updated", new: "created"}
    faults = said["failed"]
    assert f"`mli fleet import {foreign[0]} --fleet {fleet.name}` takes it in" in faults[foreign[0]]
    assert f"there is another policy {foreign[1]}_CorePolicy" in faults[foreign[1]]
    assert "with other attributes" in faults[foreign[2]]
    assert {name for name in called if not name.startswith(("Describe", "Get", "List"))} == set()
    assert journal.read_bytes() == before
    text = commands.run("fleet", "add", file, *options, "--dry-run", code=1)
    assert "3 of 6 cores could be added, 3 failed, 0 not begun" in text
    for line in (f"  created: {new}", f"  updated: {begun}", f"  unchanged: {done}"):
        assert f"{line}\n" in text
    really = commands.json("fleet", "add", file, *options, code=1)
    assert really["failed"] == faults


def _note_calls(monkeypatch: pytest.MonkeyPatch, called: set[str]) -> None:
    """Note the name of each operation that is called of AWS."""
    call = botocore.client.BaseClient._make_api_call

    def noted(client: Any, operation: str, request: dict[str, Any]) -> Any:
        called.add(operation)
        return call(client, operation, request)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", noted)


def test_dry_run_refuses_what_files_of_a_core_contradict(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    core, other = cores[:2]
    options = ("--fleet", fleet.name)
    commands.run("fleet", listed([core]), *options)
    folder = Path("fleet") / fleet.name
    (folder / core / "device.pem.crt").rename("away.crt")
    (folder / other).mkdir()
    (folder / other / "private.pem.key").write_text("a key")
    (folder / other / "device.csr").write_text("a request")
    Path("cores.csv").write_text(f"coreName,attribute.hall\n{core},south\n{other},north\n")
    said = commands.json("fleet", "cores.csv", *options, "--dry-run", code=1)
    assert "device.pem.crt is missing, but the journal has its certificate" in said["failed"][core]
    assert "private.pem.key has no certificate: move it away" in said["failed"][other]
    Path("away.crt").rename(folder / core / "device.pem.crt")
    said = commands.json("fleet", "cores.csv", *options, "--dry-run", code=1)
    assert "with other attributes" in said["failed"][core]


def test_fleet_whose_thing_group_is_gone_is_refused(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    fleet.cloud.client("iot").delete_thing_group(thingGroupName=fleet.name)
    for words in (("--dry-run",), ()):
        said = commands.run("fleet", listed(cores), "--fleet", fleet.name, *words, code=1)
        assert f"`aws iot create-thing-group --thing-group-name {fleet.name}` creates it" in said
    assert not Path("fleet").exists()


def test_interruption_is_summed_up() -> None:
    result = Result()

    class Interrupted(Output):
        def status(self, text: str) -> None:
            raise KeyboardInterrupt

    listed = [FleetCore(f"c{n}", None, {}) for n in range(5)]
    gate = threading.Event()

    def make(one: FleetCore) -> str:
        if one.name == "c0":
            return "id"
        gate.wait(0.2)
        return "id"

    for_all(make, listed, 1, result, Interrupted(as_json=True))
    assert result.ended == "interrupted"
    assert "c0" in result.done
    assert result.not_begun
    assert len(result.done) + len(result.not_begun) == 5


def _certificates(cloud: LocalCloud) -> set[str]:
    found = cloud.client("iot").list_certificates(pageSize=250)["certificates"]
    return {item["certificateId"] for item in found}
