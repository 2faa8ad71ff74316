"""``fleet``: many cores from a list, by one pattern, resumable."""

from __future__ import annotations

import functools
import json
import stat
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mli.fleet.command
from local_core.cloud import LocalCloud
from mli import aws
from mli.cli.output import Output
from mli.device import keyfiles
from mli.fleet.core_list import FleetCore
from stacks import names
from tests.mli.provisioning.support import ACCOUNT, Commands, DeployedCore, refusal


@pytest.fixture
def group(core: DeployedCore) -> str:
    return f"group-{core.name}"


@pytest.fixture
def cores(core: DeployedCore) -> list[str]:
    return [f"{core.name}-{number}" for number in range(3)]


def _list(cores: list[str], file: str = "cores.csv") -> str:
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

    monkeypatch.setattr(mli.fleet.command, "clients", clients)


def test_every_core_gets_all_that_it_needs(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    said = commands.json("fleet", _list(cores), "--pattern", core.name, "--group", group)
    assert sorted(said["done"]) == cores
    assert (said["failed"], said["notBegun"]) == ({}, [])
    iot = core.cloud.client("iot")
    members = iot.list_things_in_thing_group(thingGroupName=group)["things"]
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
        folder = Path("fleet") / group / name
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with zipfile.ZipFile(folder / "greengrass-setup.zip") as opened:
            configuration = json.loads(opened.read("config.yaml"))
            keyfiles.check_pair(opened.read("device.pem.crt"), opened.read("private.pem.key"), name)
        assert configuration["system"]["thingName"] == thing["thingName"]
        nucleus = configuration["services"]["aws.greengrass.Nucleus"]["configuration"]
        assert nucleus["iotRoleAlias"] == names.role_alias_name(core.name)


def test_group_is_deployed_one_version_of_the_patterns_component(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    said = commands.json("fleet", _list(cores), "--pattern", core.name, "--group", group)
    greengrass = core.cloud.client("greengrassv2")
    found = greengrass.get_deployment(deploymentId=said["deploymentId"])
    assert found["targetArn"] == f"{ACCOUNT}:thinggroup/{group}"
    [(name, component)] = found["components"].items()
    assert (name, component["componentVersion"]) == (core.component, "1.0.0")
    merge = json.loads(component["configurationUpdate"]["merge"])
    assert merge["coreName"] == "*"
    assert merge["topK"] == 5
    [policy] = merge["accessControl"]["aws.greengrass.ipc.mqttproxy"].values()
    assert policy["resources"][:2] == ["mli/predictions/*", "mli/telemetry/*"]
    assert found["deploymentPolicies"]["failureHandlingPolicy"] == "ROLLBACK"


def test_repeated_command_makes_nothing_new(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    arguments = ("fleet", _list(cores), "--pattern", core.name, "--group", group)
    first = commands.json(*arguments)
    again = commands.json(*arguments)
    assert (first["deploymentMade"], again["deploymentMade"]) == (True, False)
    for key in ("done", "deploymentId"):
        assert again[key] == first[key]


def test_core_that_is_added_joins_the_others(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    options = ("--pattern", core.name, "--group", group)
    first = commands.json("fleet", _list(cores[:2]), *options)
    again = commands.json("fleet", _list(cores), *options)
    assert set(again["done"]) - set(first["done"]) == {cores[2]}
    assert again["deploymentId"] == first["deploymentId"]


@pytest.mark.parametrize(
    "event", ["iot.CreateThing", "iot.UpdateCertificate", "iot.AttachPolicy",
              "iot.CreateKeysAndCertificate", "iot.AddThingToThingGroup"]
)  # fmt: skip
def test_session_that_expires_midway_is_gone_on_from(
    commands: Commands,
    core: DeployedCore,
    cores: list[str],
    group: str,
    event: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("fleet", _list(cores), "--pattern", core.name, "--group", group)
    expired = refusal("ExpiredTokenException", "The security token is expired", 403)
    with monkeypatch.context() as broken:
        _faulty(broken, event, expired, after=1)
        said = commands.json(*arguments, "--workers", "1", code=1)
    assert len(said["done"]) + len(said["failed"]) + len(said["notBegun"]) == len(cores)
    assert len(said["failed"]) == 1
    assert said["deploymentId"] is None
    [reason] = said["failed"].values()
    assert "session has expired" in reason
    before = _certificates(core.cloud)
    again = commands.json(*arguments)
    assert sorted(again["done"]) == cores
    noted = {n for n, i in again["done"].items() if i in before}
    assert set(said["done"]) <= noted
    # What had a certificate before has the same one now: none is made twice.
    assert len(_certificates(core.cloud)) - len(before) == len(cores) - len(noted)


def test_faults_of_one_core_do_not_stop_the_others(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    iot = core.cloud.client("iot")
    iot.create_thing(thingName=names.thing_name(cores[1]))  # with other attributes
    arguments = ("fleet", _list(cores), "--pattern", core.name, "--group", group)
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
    commands: Commands, core: DeployedCore, group: str
) -> None:
    commands.run("certificate", "A", "--csr", "--folder", "device")
    name = f"{core.name}-csr"
    Path("cores.yaml").write_text(
        f"cores:\n- {{coreName: {name}, certificateSigningRequest: device/device.csr}}\n"
    )
    commands.run("fleet", "cores.yaml", "--pattern", core.name, "--group", group)
    folder = Path("fleet") / group / name
    assert not (folder / "private.pem.key").exists()
    with zipfile.ZipFile(folder / "greengrass-setup.zip") as opened:
        certificate = opened.read("device.pem.crt")
        assert "private.pem.key" not in opened.namelist()
    keyfiles.check_pair(certificate, Path("device/private.pem.key").read_bytes(), name)


def test_certificate_whose_note_was_lost_is_taken_over(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    arguments = ("fleet", _list(cores), "--pattern", core.name, "--group", group)
    first = commands.json(*arguments)
    journal = Path("fleet") / group / "journal.jsonl"
    head = journal.read_text().splitlines()[0]
    journal.write_text(head + '\n{"core": "half a li')
    assert commands.json(*arguments)["done"] == first["done"]


def test_policies_follow_those_of_the_pattern(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    arguments = ("fleet", _list(cores[:1]), "--pattern", core.name, "--group", group)
    commands.run(*arguments)
    iot = core.cloud.client("iot")
    own, followed = f"{core.name}_PublishPolicy", f"{cores[0]}_PublishPolicy"
    for number in range(5):  # AWS IoT keeps five versions of a policy
        arn = f"{ACCOUNT}:topic/feedback/{number}"
        statement = {"Effect": "Allow", "Action": ["iot:Publish"], "Resource": [arn]}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iot.delete_policy(policyName=own)
        iot.create_policy(policyName=own, policyDocument=document)
        commands.run(*arguments)
        found = json.loads(iot.get_policy(policyName=followed)["policyDocument"])
        assert found["Statement"][0]["Resource"] == [arn]


def test_policy_of_somebody_else_is_not_changed(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    iot = core.cloud.client("iot")
    name = f"{cores[0]}_CorePolicy"
    iot.create_policy(policyName=name, policyDocument='{"Version": "2012-10-17", "Statement": []}')
    arguments = ("fleet", _list(cores[:1]), "--pattern", core.name, "--group", group)
    assert f"there is another policy {name}" in commands.run(*arguments, code=1)
    assert json.loads(iot.get_policy(policyName=name)["policyDocument"])["Statement"] == []


def test_status_of_a_core_without_a_stack_of_its_own(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    commands.run("fleet", _list(cores), "--pattern", core.name, "--group", group)
    assert "has never connected" in commands.run("status", cores[0], code=1)


def test_dry_run_makes_nothing(
    commands: Commands, core: DeployedCore, cores: list[str], group: str
) -> None:
    said = commands.json(
        "fleet", _list(cores), "--pattern", core.name, "--group", group, "--dry-run"
    )
    assert said["component"] == f"{core.component} 1.0.0"
    groups = core.cloud.client("iot").list_thing_groups()["thingGroups"]
    assert group not in [item["groupName"] for item in groups]
    assert not Path("fleet").exists()


def test_interruption_is_summed_up(core: DeployedCore, capsys: pytest.CaptureFixture[str]) -> None:
    result = mli.fleet.command.Result()

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

    mli.fleet.command.create_all(make, listed, 1, result, Interrupted(as_json=True))
    assert result.ended == "interrupted"
    assert "c0" in result.done
    assert result.not_begun
    assert len(result.done) + len(result.not_begun) == 5


def test_pattern_of_the_first_generation_is_refused(
    commands: Commands, group_core: DeployedCore
) -> None:
    said = commands.run("fleet", _list(["a"]), "--pattern", group_core.name, "--group", "g", code=1)
    assert "a fleet needs V2" in said


def _certificates(cloud: LocalCloud) -> set[str]:
    found = cloud.client("iot").list_certificates(pageSize=250)["certificates"]
    return {item["certificateId"] for item in found}
