"""``package``: a device's archive, only from what belongs together."""

from __future__ import annotations

import json
import shlex
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local_core.device.v1 import configuration as v1
from local_core.device.v2 import configuration as v2
from mli.device.packaging.archive import archive
from mli.device.stacks.core import CoreStack
from tests.mli.support import ACCOUNT, Commands, DeployedCore


def _with_certificate(commands: Commands, core: DeployedCore) -> str:
    identity: str = commands.json("certificate", core.name)["certificateId"]
    core.attach_id(identity)
    return identity


def _unpacked(file: str = "greengrass-setup.zip") -> dict[str, bytes]:
    with zipfile.ZipFile(file) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_archive_of_a_classic_core_is_private_and_complete(
    commands: Commands, core: DeployedCore
) -> None:
    _with_certificate(commands, core)
    said = commands.json("package", core.name)
    file = Path("greengrass-setup.zip")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    files = _unpacked()
    keys = Path("certs") / core.name
    assert files["private.pem.key"] == (keys / "private.pem.key").read_bytes()
    assert files["device.pem.crt"] == (keys / "device.pem.crt").read_bytes()
    Path("config.yaml").write_bytes(files["config.yaml"])
    found = v2.read_configuration(Path("config.yaml"))
    assert found.thing_name == core.thing
    assert found.private_key == Path("/greengrass/v2/private.pem.key")
    assert said["commands"][0] == "sudo unzip -o greengrass-setup.zip -d /greengrass/v2"
    with zipfile.ZipFile(file) as opened:
        mode = opened.getinfo("private.pem.key").external_attr >> 16
    assert stat.S_IMODE(mode) == 0o600


def test_commands_to_copy_have_quoted_paths(commands: Commands, core: DeployedCore) -> None:
    said = commands.json("certificate", core.name, "--folder", "my keys")
    core.attach_id(said["certificateId"])
    given = ("package", core.name, "--folder", "my keys", "--output", "my core.zip")
    wanted = "sudo unzip -o 'my core.zip' -d /greengrass/v2"
    assert commands.json(*given)["commands"][0] == wanted
    text = commands.run(*given)
    assert "scp 'my core.zip' DEVICE:" in text
    assert wanted in text
    request = commands.json("certificate", core.name, "--csr", "--folder", "my request")
    assert shlex.split(request["context"])[-1] == f"certificateSigningRequest={request['request']}"


def test_archive_of_nucleus_lite_has_its_own_paths(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    commands.run("package", core.name, "--nucleus", "lite")
    files = _unpacked()
    assert sorted(files) == [
        "certs/AmazonRootCA1.pem",
        "certs/device.pem.crt",
        "certs/private.pem.key",
        "config.d/zz-mli.yaml",
    ]
    system = json.loads(files["config.d/zz-mli.yaml"])["system"]
    assert system["privateKeyPath"] == "/etc/greengrass/certs/private.pem.key"


def test_component_of_nucleus_lite_runs_as_its_own_user_beside_awss_debian_package(
    commands: Commands, core: DeployedCore
) -> None:
    """The nucleus merges config.yaml, then the files of config.d in the order of their names."""
    _with_certificate(commands, core)
    commands.run("package", core.name, "--nucleus", "lite")
    lite = "aws.greengrass.NucleusLite"
    of_debian = {"services": {lite: {"configuration": {"runWithDefault": _user("ggcore")}}}}
    device = {
        **{name: json.loads(text) for name, text in _unpacked().items() if name.endswith("yaml")},
        "config.d/greengrass-lite.yaml": of_debian,
    }
    order = sorted(device, key=lambda name: (name != "config.yaml", name))
    user = [device[name]["services"][lite]["configuration"]["runWithDefault"] for name in order][-1]
    assert user == _user("gg_component")


def test_commands_for_nucleus_lite_start_units_that_failed_before_and_check_them(
    commands: Commands, core: DeployedCore
) -> None:
    """A restart of the target exits with 0, and leaves units stopped that failed before."""
    _with_certificate(commands, core)
    said = commands.json("package", core.name, "--nucleus", "lite")["commands"]
    restart = said.index("sudo systemctl restart greengrass-lite.target")
    assert said[restart - 1] == "sudo systemctl reset-failed 'ggl.*'"
    after = " ".join(said[restart + 1 :])
    assert "systemctl is-active greengrass-lite.target" in after
    assert "systemctl --failed 'ggl.*'" in after


def _user(name: str) -> dict[str, str]:
    return {"posixUser": f"{name}:{name}"}


def test_archive_of_a_v1_core_is_the_guides(commands: Commands, group_core: DeployedCore) -> None:
    _with_certificate(commands, group_core)
    said = commands.run("package", group_core.name, "--nucleus", "lite", code=1)
    assert f"{group_core.name} is a core of Greengrass V1: remove --nucleus lite" in said
    commands.run("package", group_core.name)
    files = _unpacked()
    assert sorted(files) == [
        "certs/AmazonRootCA1.pem",
        "certs/device.pem.crt",
        "certs/private.pem.key",
        "config/config.json",
    ]
    assert b"_HERE" not in files["config/config.json"]
    Path("config.json").write_bytes(files["config/config.json"])
    found = v1.read_configuration(Path("config.json"))
    assert found.thing_name == group_core.thing
    assert found.certificate == Path("/greengrass/certs/device.pem.crt")


def test_repeated_command_writes_the_same_bytes(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    commands.run("package", core.name)
    first = Path("greengrass-setup.zip").read_bytes()
    assert commands.json("package", core.name)["written"] is False
    commands.run("package", core.name, "--output", "other.zip")
    assert Path("greengrass-setup.zip").read_bytes() == first == Path("other.zip").read_bytes()
    commands.run("package", core.name, "--nucleus", "lite")  # the same key: nothing is lost
    assert Path("greengrass-setup.zip").read_bytes() != first


def test_archive_with_another_key_is_not_overwritten(
    commands: Commands, core: DeployedCore
) -> None:
    _with_certificate(commands, core)
    other = archive({"private.pem.key": b"of another core"})
    Path("greengrass-setup.zip").write_bytes(other)
    assert "holds another private key" in commands.run("package", core.name, code=1)
    assert Path("greengrass-setup.zip").read_bytes() == other


def test_file_that_is_no_archive_is_not_overwritten(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    Path("notes").write_text("mine")
    assert "not an archive" in commands.run("package", core.name, "--output", "notes", code=1)
    assert Path("notes").read_text() == "mine"


def test_certificate_made_by_the_stack_comes_from_aws(
    commands: Commands, core: DeployedCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.run("certificate", core.name, "--csr")
    request = (Path("certs") / core.name / "device.csr").read_text()
    made = core.cloud.client("iot").create_certificate_from_csr(
        certificateSigningRequest=request, setAsActive=True
    )
    core.attach(made["certificateArn"])
    _add_output(monkeypatch, CertificateId=made["certificateId"])
    commands.run("package", core.name)
    assert _unpacked()["device.pem.crt"].decode() == made["certificatePem"]
    assert (Path("certs") / core.name / "device.pem.crt").exists()


def test_certificate_that_a_stack_created_again_replaces_the_one_before(
    commands: Commands, core: DeployedCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.run("certificate", core.name, "--csr")
    keys = Path("certs") / core.name
    iot = core.cloud.client("iot")
    made = []
    for _ in range(2):  # as `cdk destroy` and `cdk deploy` do
        request = (keys / "device.csr").read_text()
        made.append(
            iot.create_certificate_from_csr(certificateSigningRequest=request, setAsActive=True)
        )
        core.attach(made[-1]["certificateArn"])
        _add_output(monkeypatch, CertificateId=made[-1]["certificateId"])
        commands.run("package", core.name)
        assert _unpacked()["device.pem.crt"].decode() == made[-1]["certificatePem"]
    kept = keys / f"device.pem.crt.{made[0]['certificateId'][:10]}"
    assert kept.read_text() == made[0]["certificatePem"]


def test_certificate_made_by_the_stack_is_not_fetched_to_a_folder_without_its_key(
    commands: Commands, core: DeployedCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = core.cloud.client("iot").create_keys_and_certificate(setAsActive=True)
    core.attach(made["certificateArn"])
    _add_output(monkeypatch, CertificateId=made["certificateId"])
    said = commands.run("package", core.name, "--folder", "mistyped", code=1)
    assert "there is no mistyped/private.pem.key" in said
    assert not Path("mistyped").exists()


def test_root_certificate_of_a_local_cloud_is_not_taken_to_aws(
    commands: Commands, core: DeployedCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_certificate(commands, core)
    monkeypatch.delenv("MLI_ROOT_CA")
    assert "AmazonRootCA1.pem is not Amazon's" in commands.run("package", core.name, code=1)
    root = Path("certs") / core.name / "AmazonRootCA1.pem"
    commands.run("package", core.name, "--root-ca", str(root))
    root.unlink()
    commands.run("package", core.name)
    assert _unpacked()["AmazonRootCA1.pem"] != core.cloud.ca_path.read_bytes()


def test_key_that_is_on_the_device_can_be_left_out(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    (Path("certs") / core.name / "private.pem.key").unlink()
    assert "--without-key" in commands.run("package", core.name, code=1)
    said = commands.json("package", core.name, "--without-key")
    assert "private.pem.key" not in _unpacked()
    place = "/greengrass/v2/private.pem.key"
    assert any(f"install -m 600 KEY {place} " in command for command in said["commands"])


def test_key_of_another_certificate_is_refused(commands: Commands, core: DeployedCore) -> None:
    _with_certificate(commands, core)
    commands.run("certificate", "Other")
    keys = Path("certs") / core.name
    (keys / "private.pem.key").write_bytes(Path("certs/Other/private.pem.key").read_bytes())
    assert "do not belong together" in commands.run("package", core.name, code=1)
    assert not Path("greengrass-setup.zip").exists()


def test_certificate_that_is_not_attached_is_refused(
    commands: Commands, core: DeployedCore
) -> None:
    identity = commands.json("certificate", core.name)["certificateId"]
    said = commands.run("package", core.name, code=1)
    assert f"not attached to {core.thing} (attached: none)" in said
    assert f"-c certificateId={identity}" in said


def test_certificate_that_is_not_active_is_refused(commands: Commands, core: DeployedCore) -> None:
    identity = _with_certificate(commands, core)
    iot = core.cloud.client("iot")
    iot.update_certificate(certificateId=identity, newStatus="INACTIVE")
    said = commands.run("package", core.name, code=1)
    assert "is INACTIVE" in said
    assert f"--certificate-id {identity} --new-status ACTIVE" in said


def test_further_policies_and_things_of_the_certificate_are_reported(
    commands: Commands, core: DeployedCore
) -> None:
    arn = f"{ACCOUNT}:cert/{_with_certificate(commands, core)}"
    iot = core.cloud.client("iot")
    for kind in ("CorePolicy", "PublishPolicy"):
        iot.attach_policy(policyName=f"{core.name}_{kind}", target=arn)
    core.report("SUCCEEDED")
    assert commands.json("package", core.name)["warnings"] == []
    other, policy = f"Other-{core.name}", f"Mine-{core.name}"
    iot.create_thing(thingName=other)
    iot.attach_thing_principal(thingName=other, principal=arn)
    allow = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iot.create_policy(policyName=policy, policyDocument=document)
    iot.attach_policy(policyName=policy, target=arn)
    for command, code in (("package", 0), ("status", 1)):  # the component has sent nothing yet
        of_policy, of_thing = commands.json(command, core.name, code=code)["warnings"]
        assert f"`aws iot detach-policy --policy-name {policy} --target {arn}`" in of_policy
        assert (
            f"`aws iot detach-thing-principal --thing-name {other} --principal {arn}`" in of_thing
        )
        said = commands.result(command, core.name, code=code).stderr
        assert said.count("warning: the certificate") == 2


def test_core_without_a_stack_names_the_region(commands: Commands) -> None:
    said = commands.run("package", "Nobody", code=1)
    assert "there is no stack DlrInference-Nobody in us-east-1" in said
    assert "--region" in said


def _add_output(monkeypatch: pytest.MonkeyPatch, **outputs: str) -> None:
    """Let stacks have further outputs, as those have that make the certificate."""
    inner = CoreStack.find.__func__  # type: ignore[attr-defined]

    def find(cls: type, clients: Any, core_name: str) -> Any:
        found = inner(cls, clients, core_name)
        return cls(found.core_name, found.region, {**found.outputs, **outputs})

    monkeypatch.setattr(CoreStack, "find", classmethod(find))
