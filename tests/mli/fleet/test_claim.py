"""``mli fleet claim``, and a device that becomes a core with what it writes."""

from __future__ import annotations

import json
import shlex
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_core.archives.claim import ClaimArchive
from local_core.archives.setup import SetupArchive
from local_core.cloud import LocalCloud
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.provisioning import ProvisioningError
from local_core.device.setup import SetupError
from mli.device.certificates.keyfiles import certificate_id
from mli.fleet.claims import layout
from mli.listings import principals
from stacks import names
from tests.cloud.provisioning_by_claim import deploy_provisioning
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import ACCOUNT, Commands

ROOT = Path(__file__).resolve().parents[3]
PREPARE = Path(layout.__file__).parent / layout.PREPARE


@pytest.fixture(scope="module")
def claimed(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedFleet]:
    """A fleet with its provisioning template."""
    fleet = DeployedFleet.deployed(cloud)
    deploy_provisioning(cloud, fleet.name, tmp_path_factory.mktemp("cdk"))
    yield fleet
    for arn in targets(fleet):
        cloud.client("iot").detach_policy(policyName=policy_of(fleet), target=arn)


@pytest.fixture(autouse=True)
def no_claims(claimed: DeployedFleet, commands: Commands) -> None:
    commands.run("fleet", "claim", claimed.name, "--end")


def policy_of(fleet: DeployedFleet) -> str:
    return names.claim_policy_name(fleet.name)


def targets(fleet: DeployedFleet) -> list[str]:
    reply = fleet.cloud.client("iot").list_targets_for_policy(policyName=policy_of(fleet))
    return list(reply["targets"])


def status_of(fleet: DeployedFleet, identity: str) -> str:
    reply = fleet.cloud.client("iot").describe_certificate(certificateId=identity)
    return str(reply["certificateDescription"]["status"])


def archive_of(said: dict[str, Any]) -> ClaimArchive:
    found = ClaimArchive.of(SetupArchive.read(Path(said["archive"])))
    assert found is not None
    return found


def content(said: dict[str, Any], name: str) -> Any:
    with zipfile.ZipFile(said["archive"]) as opened:
        return json.loads(opened.read(name))


def test_claim_s_key_is_created_here_and_stays(claimed: DeployedFleet, commands: Commands) -> None:
    said = commands.json("fleet", "claim", claimed.name)
    folder = commands.folder / "fleet" / claimed.name / "claim"
    assert said["archive"] == f"fleet/{claimed.name}/claim/greengrass-claim.zip"
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes["private.pem.key"] == modes["greengrass-claim.zip"] == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert (folder.parent / ".gitignore").read_text() == "*\n"
    assert [arn.rpartition("/")[2] for arn in targets(claimed)] == [said["certificateId"]]
    assert status_of(claimed, said["certificateId"]) == "ACTIVE"
    assert said["files"] == [
        "AmazonRootCA1.pem",
        "claim/device.pem.crt",
        "claim/private.pem.key",
        "config.yaml",
        "prepare.sh",
    ]


def test_repeated_command_writes_the_same_archive(
    claimed: DeployedFleet, commands: Commands
) -> None:
    first = commands.json("fleet", "claim", claimed.name)
    before = Path(first["archive"]).read_bytes()
    again = commands.json("fleet", "claim", claimed.name)
    assert (again["made"], again["written"]) == (False, False)
    assert again["certificateId"] == first["certificateId"]
    assert Path(first["archive"]).read_bytes() == before
    assert len(targets(claimed)) == 1


def test_new_claim_leaves_the_old_one_until_it_is_deactivated(
    claimed: DeployedFleet, commands: Commands
) -> None:
    old = commands.json("fleet", "claim", claimed.name)["certificateId"]
    said = commands.json("fleet", "claim", claimed.name, "--new")
    assert said["certificateId"] != old
    assert said["otherActive"] == [old]
    assert (Path(said["aside"]) / "greengrass-claim.zip").exists()
    assert status_of(claimed, old) == "ACTIVE"
    later = commands.json("fleet", "claim", claimed.name, "--deactivate-old")
    assert later["deactivated"] == [old]
    assert later["otherActive"] == []
    assert status_of(claimed, old) == "INACTIVE"
    assert status_of(claimed, said["certificateId"]) == "ACTIVE"


def test_printed_command_keeps_the_claim_of_another_folder(
    claimed: DeployedFleet, commands: Commands
) -> None:
    old = commands.json("fleet", "claim", claimed.name)["certificateId"]
    words = ("fleet", "claim", claimed.name, "--folder", "my claim")
    kept = commands.json(*words)["certificateId"]
    said = commands.run(*words)
    [line] = [one for one in said.splitlines() if "--deactivate-old" in one]
    done = commands.json(*shlex.split(line.partition(": mli ")[2]))
    assert (done["certificateId"], done["deactivated"]) == (kept, [old])


def test_claim_that_somebody_deactivated_is_not_activated_again(
    claimed: DeployedFleet, commands: Commands
) -> None:
    old = commands.json("fleet", "claim", claimed.name)["certificateId"]
    claimed.cloud.client("iot").update_certificate(certificateId=old, newStatus="INACTIVE")
    said = commands.run("fleet", "claim", claimed.name, code=1)
    assert "is INACTIVE: add --new" in said
    assert status_of(claimed, old) == "INACTIVE"


def test_interrupted_command_continues_with_its_certificate(
    claimed: DeployedFleet, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**arguments: Any) -> None:
        raise KeyboardInterrupt

    create = boto3.Session.client

    def client(session: boto3.Session, service: str, **options: Any) -> Any:
        made = create(session, service, **options)
        made.meta.events.register("before-call.iot.AttachPolicy", interrupted)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(boto3.Session, "client", client)
        commands.run("fleet", "claim", claimed.name, code=130)
    assert targets(claimed) == []
    said = commands.json("fleet", "claim", claimed.name)
    assert not said["made"]
    assert [arn.rpartition("/")[2] for arn in targets(claimed)] == [said["certificateId"]]


def test_end_leaves_no_claim(claimed: DeployedFleet, commands: Commands) -> None:
    ids = [
        commands.json("fleet", "claim", claimed.name, *options)["certificateId"]
        for options in ((), ("--new",))
    ]
    said = commands.json("fleet", "claim", claimed.name, "--end")
    assert sorted(said["ended"]) == sorted(ids)
    assert said["left"] == []
    assert targets(claimed) == []
    iot = claimed.cloud.client("iot")
    for identity in ids:
        with pytest.raises(iot.exceptions.ResourceNotFoundException):
            iot.describe_certificate(certificateId=identity)


def test_claim_that_vanishes_does_not_hide_the_others(
    claimed: DeployedFleet, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = commands.json("fleet", "claim", claimed.name)["certificateId"]
    second = commands.json("fleet", "claim", claimed.name, "--new")["certificateId"]
    iot, create = claimed.cloud.client("iot"), boto3.Session.client
    iot.update_certificate(certificateId=second, newStatus="INACTIVE")

    def vanish(params: dict[str, Any], **arguments: Any) -> None:
        if params["url_path"].endswith(first) and first in "".join(targets(claimed)):
            iot.detach_policy(policyName=policy_of(claimed), target=f"{ACCOUNT}:cert/{first}")
            iot.update_certificate(certificateId=first, newStatus="INACTIVE")
            iot.delete_certificate(certificateId=first)

    def client(session: boto3.Session, service: str, **options: Any) -> Any:
        made = create(session, service, **options)
        made.meta.events.register("before-call.iot.DescribeCertificate", vanish)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(boto3.Session, "client", client)
        said = commands.run("fleet", "claim", claimed.name, code=1)
    assert f"the claim {second[:10]}…" in said
    assert "is INACTIVE: add --new" in said
    assert status_of(claimed, second) == "INACTIVE"


@pytest.mark.parametrize("number", [1, 2])
def test_claim_that_is_not_listed_yet_is_no_other_claim(
    claimed: DeployedFleet, commands: Commands, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """AWS IoT lists what was attached some time after it has answered."""
    iot, create, calls = claimed.cloud.client("iot"), boto3.Session.client, list[str]()

    def hide(parsed: dict[str, Any], **arguments: Any) -> None:
        calls.append("list")
        if len(calls) >= number:
            parsed["targets"] = []

    def client(session: boto3.Session, service: str, **options: Any) -> Any:
        made = create(session, service, **options)
        made.meta.events.register("after-call.iot.ListTargetsForPolicy", hide)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(boto3.Session, "client", client)
        said = commands.json("fleet", "claim", claimed.name)
    assert said["otherActive"] == []
    found = iot.list_targets_for_policy(policyName=policy_of(claimed))["targets"]
    assert [arn.rpartition("/")[2] for arn in found] == [said["certificateId"]]


def test_end_makes_no_claim(claimed: DeployedFleet, commands: Commands) -> None:
    assert "remove --new" in commands.run("fleet", "claim", claimed.name, "--end", "--new", code=2)


def test_stack_of_another_version_is_named(cloud: LocalCloud, commands: Commands) -> None:
    said = commands.run("fleet", "claim", "unknown-fleet", code=1)
    assert "there is no stack DlrInferenceFleet-unknown-fleet" in said


def test_archive_of_nucleus_lite_has_its_own_provisioning(
    claimed: DeployedFleet, commands: Commands
) -> None:
    said = commands.json("fleet", "claim", claimed.name, "--nucleus", "lite")
    found = content(said, names.LITE_CONFIGURATION)
    assert found["system"] == {
        "certificateFilePath": "",
        "privateKeyPath": "",
        "rootCaPath": "",
        "rootPath": "/var/lib/greengrass",
        "thingName": "",
    }
    nucleus = found["services"]["aws.greengrass.NucleusLite"]["configuration"]
    assert (nucleus["iotDataEndpoint"], nucleus["iotCredEndpoint"]) == ("", "")
    assert nucleus["iotRoleAlias"] == names.fleet_role_alias_name(claimed.name)
    provisioning = found["services"]["aws.greengrass.fleet_provisioning"]["configuration"]
    assert provisioning == {
        "iotDataEndpoint": f"127.0.0.1:{claimed.cloud.mqtt_port}",
        "iotCredEndpoint": claimed.cloud.credential_endpoint,
        "rootCaPath": "/etc/greengrass/certs/AmazonRootCA1.pem",
        "claimCertPath": "/etc/greengrass/claim/device.pem.crt",
        "claimKeyPath": "/etc/greengrass/claim/private.pem.key",
        "templateName": claimed.name,
        "templateParams": {"CoreName": "<coreName>"},
    }
    with pytest.raises(SetupError, match="is for nucleus lite"):
        SetupArchive.read(Path(said["archive"]))


def test_device_provisions_itself_and_connects(claimed: DeployedFleet, commands: Commands) -> None:
    archive = archive_of(commands.json("fleet", "claim", claimed.name))
    disk = commands.folder / "device"
    found = archive.install(disk, "press-1")
    assert found.thing_name == "press-1_Core"
    assert stat.S_IMODE(found.private_key.stat().st_mode) == 0o600
    with MqttConnection(found.broker, "press-1_Core", tls_context(found)) as connection:
        assert connection.wait_until_connected(5)
    assert archive.install(disk, "press-1") == found  # as after a restart of the nucleus
    with pytest.raises(SetupError, match="is press-1_Core already"):
        archive.install(disk, "press-2")


def test_second_device_of_a_name_is_refused_until_the_first_is_removed(
    claimed: DeployedFleet, commands: Commands
) -> None:
    """So is a device that lost power after the cloud made it a core, and before it knew."""
    archive = archive_of(commands.json("fleet", "claim", claimed.name))
    first = archive.install(commands.folder / "first", "press-3")
    with pytest.raises(ProvisioningError, match="AccessDenied"):
        archive.install(commands.folder / "second", "press-3")
    iot = claimed.cloud.client("iot")
    (principal,) = iot.list_thing_principals(thingName=first.thing_name)["principals"]
    iot.detach_thing_principal(thingName=first.thing_name, principal=principal)
    iot.delete_thing(thingName=first.thing_name)
    key = (commands.folder / "second" / "privKey.key").read_bytes()
    found = archive.install(commands.folder / "second", "press-3")
    assert found.thing_name == first.thing_name
    assert found.private_key.read_bytes() == key


def test_core_that_came_is_neither_imported_nor_added_and_goes_with_all_of_it(
    claimed: DeployedFleet, commands: Commands
) -> None:
    archive = archive_of(commands.json("fleet", "claim", claimed.name))
    thing = archive.install(commands.folder / "device", "press-4").thing_name
    iot, came = claimed.cloud.client("iot"), f"press-4 came to {claimed.name} by claim: "
    (commands.folder / "cores.csv").write_text("coreName\npress-4\n")
    for words in (("import", "press-4"), ("add", "cores.csv")):
        said = commands.run("fleet", *words, "--fleet", claimed.name, code=1)
        assert f"{came}it needs neither `mli fleet add` nor `mli fleet import`" in said
    iot.remove_thing_from_thing_group(thingGroupName=claimed.name, thingName=thing)
    said = commands.run("fleet", "import", "press-4", "--fleet", claimed.name, code=1)
    group = f"--thing-group-name {claimed.name} --thing-name {thing}"
    assert f"{came}`aws iot add-thing-to-thing-group {group}` puts it back" in said
    iot.add_thing_to_thing_group(thingGroupName=claimed.name, thingName=thing)
    [arn] = principals(iot, thing)
    removed = commands.json("fleet", "remove", claimed.name, "press-4", "--yes")
    assert removed["kept"] == {}
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=thing)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_certificate(certificateId=arn.rpartition("/")[2])


@pytest.mark.parametrize("own_key", [False, True])
def test_core_that_came_connects_with_its_next_certificate_after_the_printed_commands(
    claimed: DeployedFleet, commands: Commands, own_key: bool
) -> None:
    archive, core = archive_of(commands.json("fleet", "claim", claimed.name)), f"came-{own_key}"
    disk = commands.folder / "device"
    first = archive.install(disk, core)
    used = {file: file.read_bytes() for file in (first.certificate, first.private_key)}
    request: tuple[str, ...] = ()
    if own_key:
        commands.run("certificate", "Next", "--csr", "--folder", "next-key")
        request = ("--request", "next-key/device.csr")
    rotated = commands.json("fleet", "rotate", core, *request)
    type_on_device(rotated, disk, key="next-key/private.pem.key")
    found = archive.install(disk, core)
    assert certificate_id(found.certificate.read_bytes()) == rotated["certificateId"]
    assert stat.S_IMODE(found.private_key.stat().st_mode) == 0o600
    with MqttConnection(found.broker, found.thing_name, tls_context(found)) as connection:
        assert connection.wait_until_connected(5)
    assert {file: Path(f"{file}.old").read_bytes() for file in used} == used


def test_nucleus_lite_of_a_core_that_came_has_its_certificate_elsewhere(
    claimed: DeployedFleet, commands: Commands
) -> None:
    archive_of(commands.json("fleet", "claim", claimed.name)).install(commands.folder / "d", "lite")
    said = commands.json("fleet", "rotate", "lite", "--nucleus", "lite")["commands"]
    place = "/var/lib/greengrass/credentials"
    moves = [command for command in said if " mv " in command]
    assert moves == [
        f"sudo mv /etc/greengrass/certs/device.pem.crt {place}/certificate.pem",
        f"sudo mv /etc/greengrass/certs/private.pem.key {place}/priv_key",
    ]
    owner = f"sudo chown ggcore:ggcore {place}/certificate.pem {place}/priv_key"
    assert said.index(owner) > said.index(moves[-1])


def type_on_device(said: dict[str, Any], disk: Path, key: str) -> None:
    """Run the printed commands of a classic nucleus, but for its restart, on this disk."""
    for command in said["commands"]:
        typed = command.replace("/greengrass/v2", str(disk)).replace(" KEY ", f" {key} ")
        typed = typed.replace(Path(said["archive"]).name, said["archive"]).removeprefix("sudo ")
        if not typed.startswith("systemctl"):
            subprocess.run(typed, shell=True, check=True, capture_output=True)


def test_device_without_a_usable_name_is_not_prepared(
    claimed: DeployedFleet, commands: Commands
) -> None:
    archive = archive_of(commands.json("fleet", "claim", claimed.name))
    with pytest.raises(SetupError, match="may have letters, digits, - and _ only"):
        archive.install(commands.folder / "device", "press.example.com")


@pytest.mark.parametrize("name", ["-a", "a b", "a;b", "a'b", "a/b", "ä", "a\nb", "a" * 65, "&"])
def test_name_that_no_core_may_have_does_not_reach_the_configuration(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "prepare.sh").write_bytes(PREPARE.read_bytes())
    before = '{"CoreName": "<coreName>"}'
    (tmp_path / "config.yaml").write_text(before)
    done = subprocess.run(
        ["sh", "prepare.sh", name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "sh prepare.sh NAME" in done.stderr
    assert (tmp_path / "config.yaml").read_text() == before


def test_name_of_a_core_can_be_corrected_before_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "prepare.sh").write_bytes(PREPARE.read_bytes())
    (tmp_path / "config.yaml").write_text('{"CoreName": "<coreName>", "other": "x"}')
    for name in ("press-1", "press_2"):
        subprocess.run(["sh", "prepare.sh", name], cwd=tmp_path, check=True, capture_output=True)
    found = json.loads((tmp_path / "config.yaml").read_text())
    assert found == {"CoreName": "press_2", "other": "x"}


def test_core_command_runs_a_device_with_a_claim(
    claimed: DeployedFleet, commands: Commands
) -> None:
    said = commands.json("fleet", "claim", claimed.name)
    words = ["core", said["archive"], "--core-name", "press-9", "--folder", "device"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mli", *words],
        env={**claimed.cloud.environment(), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(2)]
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert "press-9_Core is connected" in "".join(lines), [*lines, rest]


def test_core_command_wants_a_name_with_a_claim(claimed: DeployedFleet, commands: Commands) -> None:
    said = commands.json("fleet", "claim", claimed.name)
    assert "add --core-name NAME" in commands.run("core", said["archive"], code=1)
