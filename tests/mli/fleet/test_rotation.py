"""``fleet rotate``: a core gets another certificate, and is never without one that works."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inference.names import telemetry_topic
from mli import aws
from mli.cli.output import Output
from mli.device.certificates import keyfiles
from mli.device.stacks.fleet import FleetStack
from mli.fleet.journal import Journal
from mli.fleet.reports.status import ATTENTION
from mli.fleet.rotating.rotation import Rotation
from mli.listings import principals
from stacks import names
from tests.conftest import REPOSITORY
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.fleet import faults
from tests.mli.support import Commands
from tests.waiting import eventually


@pytest.fixture
def core(commands: Commands, fleet: DeployedFleet) -> str:
    """A core of the fleet, created."""
    name = f"{fleet.name}-1"
    Path("cores.csv").write_text(f"coreName\n{name}\n")
    commands.run("fleet", "add", "cores.csv", "--fleet", fleet.name)
    return name


def _certificates(fleet: DeployedFleet, core: str) -> dict[str, str]:
    """Return the status of each of a core's certificates."""
    iot = fleet.cloud.client("iot")
    found = {}
    for arn in principals(iot, names.thing_name(core)):
        about = iot.describe_certificate(certificateId=arn.rpartition("/")[2])
        description = about["certificateDescription"]
        found[str(description["certificateId"])] = str(description["status"])
    return found


def _suspend(fleet: DeployedFleet, core: str) -> None:
    """Do what ``--finish`` does before it waits."""
    of, folder = aws.clients(), Path("fleet") / fleet.name
    found = FleetStack.find(of, fleet.name)
    with Journal.of_fleet(folder, found) as journal:
        Rotation(of("iot"), found, journal, core, folder).suspend()


@contextmanager
def _telemetry(fleet: DeployedFleet, core: str) -> Iterator[None]:
    """Publish telemetry as the core does, more often."""
    is_over, data = threading.Event(), fleet.cloud.client("iot-data")

    def publish() -> None:
        while not is_over.wait(0.1):
            data.publish(topic=telemetry_topic(core), payload=b"{}")

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_core_gets_a_second_certificate_and_loses_the_first(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    folder = Path("fleet") / fleet.name / core
    [old] = _certificates(fleet, core)
    old_key = (folder / "private.pem.key").read_bytes()
    said = commands.json("fleet", "rotate", core)
    new = said["certificateId"]
    assert commands.json("fleet", "rotate", core)["certificateId"] == new
    assert _certificates(fleet, core) == {old: "ACTIVE", new: "ACTIVE"}
    with zipfile.ZipFile(said["archive"]) as opened:
        assert sorted(opened.namelist()) == ["device.pem.crt", "private.pem.key"]
        certificate = opened.read("device.pem.crt")
        assert opened.read("private.pem.key") != old_key
        keyfiles.check_pair(certificate, opened.read("private.pem.key"), core)
    assert keyfiles.certificate_id(certificate) == new
    iot = fleet.cloud.client("iot")
    policies = [
        {one["policyName"] for one in iot.list_attached_policies(target=arn)["policies"]}
        for arn in principals(iot, names.thing_name(core))
    ]
    assert policies[0] == policies[1]
    with _telemetry(fleet, core):
        done = commands.json("fleet", "rotate", core, "--finish", "--settle", "0")
    assert done["deleted"] == [old]
    assert _certificates(fleet, core) == {new: "ACTIVE"}
    assert (folder / "device.pem.crt").read_bytes() == certificate
    again = commands.json("fleet", "add", "cores.csv", "--fleet", fleet.name)
    assert again["done"] == {core: new}
    commands.run("package", core, "--folder", str(folder), "--output", "again.zip")
    assert Path("again.zip").read_bytes() == (folder / "greengrass-setup.zip").read_bytes()


def test_printed_command_finishes_a_rotation_in_another_folder(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    said = commands.result("fleet", "rotate", core, "--output", "my folder").stdout
    last = shlex.split(said.splitlines()[-1])
    assert last[:5] == ["mli", "fleet", "rotate", core, "--finish"]
    assert len(commands.json(*last[1:], "--seen")["deleted"]) == 1


def test_end_of_the_terminal_activates_the_old_certificate_again(
    commands: Commands, fleet: DeployedFleet, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = commands.json("fleet", "rotate", core)["certificateId"]
    ended = threading.Event()
    previous = signal.signal(signal.SIGHUP, lambda number, frame: ended.set())

    def end(text: str) -> None:
        if "waiting for telemetry" in text:
            os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr(Output, "status", lambda self, text: end(text))
    try:
        commands.run(
            "fleet", "rotate", core, "--finish", "--settle", "0", "--timeout", "5", code=130
        )
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert not ended.is_set()
    assert _certificates(fleet, core).pop(new) == "ACTIVE"
    assert list(_certificates(fleet, core).values()) == ["ACTIVE", "ACTIVE"]


def test_core_that_is_not_seen_keeps_its_old_certificate(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    [old] = _certificates(fleet, core)
    new = commands.json("fleet", "rotate", core)["certificateId"]
    said = commands.run(
        "fleet", "rotate", core, "--finish", "--settle", "0", "--timeout", "1", code=1
    )
    assert f"no telemetry of {core} arrived without its old certificate" in said
    assert _certificates(fleet, core) == {old: "ACTIVE", new: "ACTIVE"}
    assert commands.json("fleet", "rotate", core, "--cancel")["deleted"] == [new]
    assert _certificates(fleet, core) == {old: "ACTIVE"}
    assert "no rotation" in commands.run("fleet", "rotate", core, "--finish", "--seen", code=1)


def test_kill_while_the_old_certificate_is_inactive_is_named_and_the_command_repeated(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    [old] = _certificates(fleet, core)
    new = commands.json("fleet", "rotate", core)["certificateId"]
    said = commands.result("fleet", "status", fleet.name, code=ATTENTION).stdout
    ends = f"`mli fleet rotate {core} --finish`, or `--cancel`, ends its rotation"
    assert f"{core} has two certificates: {ends}" in said
    process = subprocess.Popen(
        [sys.executable, "-m", "mli", "fleet", "rotate", core, "--finish"],
        env={**fleet.cloud.environment(), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
    )
    eventually(lambda: _certificates(fleet, core) == {old: "INACTIVE", new: "ACTIVE"})
    process.kill()
    process.wait()
    found = commands.json("fleet", "status", fleet.name, code=ATTENTION)
    assert found["rotations"] == [{"core": core, "certificateId": new, "inactive": [old]}]
    said = commands.result("fleet", "status", fleet.name, code=ATTENTION).stdout
    assert f"{core}: its old certificate is inactive ({old[:10]}…). If no --finish waits" in said
    assert ends in said
    commands.run("fleet", "rotate", core)  # begins it again, with the same certificate
    assert _certificates(fleet, core) == {old: "ACTIVE", new: "ACTIVE"}


def test_journal_that_cannot_be_read_does_not_hide_the_status(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    """Such as that of another user."""
    commands.run("fleet", "rotate", core)
    file = Path("fleet") / fleet.name / "journal.jsonl"
    file.rename(file.with_name("elsewhere"))
    file.mkdir()
    found = commands.result("fleet", "status", fleet.name, code=ATTENTION)
    assert core in found.stdout
    assert f"rotations are not shown: {file}: Is a directory" in found.stderr
    named = ("--output", str(file.parent))
    assert "Is a directory" in commands.run("fleet", "status", fleet.name, *named, code=1)


@pytest.mark.parametrize("ends_by", ["--finish", "--cancel"])
def test_rotation_that_was_killed_while_it_waited_is_ended_by_the_next_command(
    commands: Commands, fleet: DeployedFleet, core: str, ends_by: str
) -> None:
    [old] = _certificates(fleet, core)
    new = commands.json("fleet", "rotate", core)["certificateId"]
    _suspend(fleet, core)
    assert _certificates(fleet, core) == {old: "INACTIVE", new: "ACTIVE"}
    with _telemetry(fleet, core):
        settle = ("--settle", "0") if ends_by == "--finish" else ()
        commands.run("fleet", "rotate", core, ends_by, *settle)
    left = new if ends_by == "--finish" else old
    assert _certificates(fleet, core) == {left: "ACTIVE"}
    assert commands.json("fleet", "status", fleet.name, code=ATTENTION)["rotations"] == []


def test_certificate_that_its_owner_has_deactivated_stays_inactive(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    [old] = _certificates(fleet, core)
    iot = fleet.cloud.client("iot")
    iot.update_certificate(certificateId=old, newStatus="INACTIVE")
    new = commands.json("fleet", "rotate", core)["certificateId"]
    words = ("--finish", "--settle", "0", "--timeout", "1")
    commands.run("fleet", "rotate", core, *words, code=1)
    assert _certificates(fleet, core) == {old: "INACTIVE", new: "ACTIVE"}
    said = commands.run("fleet", "rotate", core, "--cancel", code=1)
    assert f"aws iot update-certificate --certificate-id {old} --new-status ACTIVE" in said
    assert _certificates(fleet, core) == {old: "INACTIVE", new: "ACTIVE"}


def test_old_certificate_works_again_while_another_command_has_the_journal(
    commands: Commands, fleet: DeployedFleet, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [old] = _certificates(fleet, core)
    new = commands.json("fleet", "rotate", core)["certificateId"]
    folder, found = Path("fleet") / fleet.name, FleetStack.find(aws.clients(), fleet.name)
    opened: list[Journal] = []

    def take(output: Output, text: str) -> None:
        if "waiting for telemetry" in text and not opened:
            opened.append(Journal.of_fleet(folder, found))

    monkeypatch.setattr(Output, "status", take)
    try:
        words = ("--finish", "--settle", "0", "--timeout", "1")
        said = commands.run("fleet", "rotate", core, *words, code=1)
    finally:
        opened[0].close()
    assert "no telemetry" in said
    assert _certificates(fleet, core) == {old: "ACTIVE", new: "ACTIVE"}


@pytest.mark.parametrize("is_rotation", [True, False])
def test_telemetry_does_not_count_if_the_old_certificate_works_again(
    commands: Commands,
    fleet: DeployedFleet,
    core: str,
    monkeypatch: pytest.MonkeyPatch,
    is_rotation: bool,
) -> None:
    """A repeated `mli fleet rotate` activates it, as somebody may: the core may still use it."""
    [old] = _certificates(fleet, core)
    new = commands.json("fleet", "rotate", core)["certificateId"]
    done: list[str] = []

    def activate(output: Output, text: str) -> None:
        if "waiting for telemetry" in text and not done:
            done.append(text)
            if is_rotation:
                commands.run("fleet", "rotate", core)
            else:
                fleet.cloud.client("iot").update_certificate(certificateId=old, newStatus="ACTIVE")

    monkeypatch.setattr(Output, "status", activate)
    with _telemetry(fleet, core):
        said = commands.run("fleet", "rotate", core, "--finish", "--settle", "0", code=1)
    assert f"the old certificate {old[:10]}… of {core} was activated meanwhile" in said
    assert _certificates(fleet, core) == {old: "ACTIVE", new: "ACTIVE"}
    with _telemetry(fleet, core):
        assert commands.json("fleet", "rotate", core, "--finish", "--settle", "0")
    assert _certificates(fleet, core) == {new: "ACTIVE"}


def test_telemetry_of_the_old_connection_does_not_count(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    commands.run("fleet", "rotate", core)
    data = fleet.cloud.client("iot-data")
    timer = threading.Timer(0.3, lambda: data.publish(topic=telemetry_topic(core), payload=b"{}"))
    timer.start()
    said = commands.run(
        "fleet", "rotate", core, "--finish", "--settle", "2", "--timeout", "1", code=1
    )
    timer.join()
    assert "no telemetry" in said


def test_rotation_continues_after_the_end_of_the_process_at_any_request(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    of, folder = aws.clients(), Path("fleet") / fleet.name
    found, before = FleetStack.find(of, fleet.name), _certificates(fleet, core)

    def rotation(journal: Journal) -> Rotation:
        return Rotation(of("iot"), found, journal, core, folder)

    def begin() -> None:
        with Journal.of_fleet(folder, found) as journal:
            rotation(journal).begin(None, "classic", None)

    def finish() -> None:
        with Journal.of_fleet(folder, found) as journal:
            rotation(journal).finish()

    began = faults.until_done(begin, is_answered=False)
    assert {"CreateKeysAndCertificate", "AttachThingPrincipal"} <= set(began)
    both = _certificates(fleet, core)
    assert len(both) == 2
    finished = faults.until_done(finish, is_answered=False)
    assert {"UpdateCertificate", "DetachPolicy"} <= set(finished)
    iot = fleet.cloud.client("iot")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_certificate(certificateId=next(iter(before)))
    [left] = _certificates(fleet, core)
    assert left in both.keys() - before.keys()
    own = (folder / core / "device.pem.crt").read_bytes()
    assert keyfiles.certificate_id(own) == left


def test_new_key_may_be_on_the_device_already(
    commands: Commands, fleet: DeployedFleet, core: str
) -> None:
    commands.run("certificate", "A", "--csr", "--folder", "device")
    said = commands.json(
        "fleet", "rotate", core, "--request", "device/device.csr", "--nucleus", "lite"
    )
    with zipfile.ZipFile(said["archive"]) as opened:
        assert opened.namelist() == ["certs/device.pem.crt"]
        certificate = opened.read("certs/device.pem.crt")
    keyfiles.check_pair(certificate, Path("device/private.pem.key").read_bytes(), core)
    assert any("greengrass-lite.target" in command for command in said["commands"])
    place = "/etc/greengrass/certs/private.pem.key"
    assert f"sudo cp -p {place} {place}.old" in said["commands"]
    assert any(f"install -m 600 KEY {place} " in command for command in said["commands"])
    commands.run("fleet", "rotate", core, "--finish", "--seen")
    assert list(_certificates(fleet, core)) == [said["certificateId"]]


@pytest.mark.parametrize("options", [("--seen",), ("--settle", "0")])
def test_certificate_of_another_thing_too_is_not_deleted(
    commands: Commands, fleet: DeployedFleet, core: str, options: tuple[str, ...]
) -> None:
    iot, other = fleet.cloud.client("iot"), f"{fleet.name}-other"
    [arn] = principals(iot, names.thing_name(core))
    iot.create_thing(thingName=other)
    iot.attach_thing_principal(thingName=other, principal=arn)
    commands.run("fleet", "rotate", core)
    with _telemetry(fleet, core):
        said = commands.run("fleet", "rotate", core, "--finish", *options, code=1)
    assert f"is also that of {other}" in said
    assert list(_certificates(fleet, core).values()) == ["ACTIVE", "ACTIVE"]


def test_core_without_a_fleet_is_told_what_to_do(commands: Commands, fleet: DeployedFleet) -> None:
    said = commands.run("fleet", "rotate", "Nobody", code=1)
    assert "Nobody is not a core of a fleet" in said
