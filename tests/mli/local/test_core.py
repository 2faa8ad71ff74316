"""``mli core``: the device of an archive, against a cloud on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from local_core.cloud import LocalCloud
from local_core.device.setup import create_certificate
from local_core.processes.cdk import REPOSITORY
from mli.cli.main import main
from mli.device.generations.v2.layout import v2_layout
from mli.device.packaging.archive import archive, save
from mli.local import core as start_core
from stacks.core.nucleus_configuration import NucleusConfiguration
from tests.waiting import eventually

pytestmark = pytest.mark.slow

ACCOUNT = "arn:aws:iot:us-east-1:000000000000"
ALIAS = "CoreAlias"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """A cloud with a role that cores take."""
    with LocalCloud() as running:
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
        }
        role = running.client("iam").create_role(
            RoleName="Core", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )["Role"]["Arn"]
        running.client("iot").create_role_alias(roleAlias=ALIAS, roleArn=role)
        yield running


@dataclass(frozen=True)
class Packaged:
    """A thing with a certificate that may do all, and the archive of its core."""

    cloud: LocalCloud
    thing: str
    certificate_id: str
    zip: Path

    def deploy_nothing(self) -> None:
        """Replace its deployment by one without components."""
        self.cloud.client("greengrassv2").create_deployment(
            targetArn=f"{ACCOUNT}:thing/{self.thing}", deploymentName="empty", components={}
        )

    def deploy(self, script: str) -> str:
        """Deploy a component to it, which runs ``script``; return the component's name."""
        name = f"demo.{self.thing}"
        greengrass = self.cloud.client("greengrassv2")
        manifest = {"Platform": {"os": "linux"}, "Lifecycle": {"run": {"Script": script}}}
        recipe = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": "1.0.0",
            "Manifests": [manifest],
        }
        greengrass.create_component_version(inlineRecipe=json.dumps(recipe).encode())
        greengrass.create_deployment(
            targetArn=f"{ACCOUNT}:thing/{self.thing}",
            deploymentName="demo",
            components={name: {"componentVersion": "1.0.0"}},
        )
        return name


@pytest.fixture
def packaged(cloud: LocalCloud, tmp_path: Path) -> Packaged:
    return package(cloud, tmp_path)


def package(
    cloud: LocalCloud, folder: Path, *, mqtt_port: int = 0, region: str = "us-east-1"
) -> Packaged:
    thing = f"T{uuid.uuid4().hex[:8]}_Core"
    iot = cloud.client("iot")
    keys = create_certificate(iot, folder / "keys", cloud.ca_path)
    iot.create_thing(thingName=thing)
    iot.attach_thing_principal(thingName=thing, principal=keys.arn)
    allow = {"Effect": "Allow", "Action": ["iot:*", "greengrass:*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iot.create_policy(policyName=thing, policyDocument=document)
    iot.attach_policy(policyName=thing, target=keys.arn)
    broker = f"127.0.0.1:{mqtt_port or cloud.mqtt_port}"
    nucleus = NucleusConfiguration(thing, ALIAS, region, broker, cloud.credential_endpoint)
    layout = v2_layout({"classic": nucleus.classic()}, "classic")
    files = layout.files(
        certificate=keys.certificate.read_bytes(),
        private_key=keys.private_key.read_bytes(),
        root_ca=keys.root_ca.read_bytes(),
    )
    save(folder / "setup.zip", archive(files))
    return Packaged(cloud, thing, keys.id, folder / "setup.zip")


@dataclass(frozen=True)
class Core:
    """The command at work."""

    process: subprocess.Popen[bytes]
    folder: Path

    def said(self) -> str:
        return self.folder.with_suffix(".said").read_text()

    def until(self, text: str) -> None:
        def is_said() -> bool:
            assert self.process.poll() is None, self.said()
            return text in self.said()

        eventually(is_said, 30)


@contextmanager
def core(of: Packaged, *, folder: Path) -> Iterator[Core]:
    with folder.with_suffix(".said").open("wb") as stream:
        process = subprocess.Popen(
            [*_command(of), "--folder", str(folder)],
            cwd=REPOSITORY,
            env=of.cloud.environment(),
            stdout=stream,
            stderr=stream,
        )
        try:
            yield Core(process, folder)
        finally:
            process.terminate()
            process.wait(20)


def _command(of: Packaged) -> list[str]:
    return [sys.executable, "-m", "mli", "core", str(of.zip)]


def refused(*arguments: object, endpoint: str | None) -> str:
    """Return what the command says instead of running."""
    environment: dict[str, Any] = {"AWS_ENDPOINT_URL": endpoint}
    done = CliRunner().invoke(main, ["core", *map(str, arguments)], env=environment)
    assert done.exit_code == 1, done.output
    return done.stderr


def test_core_carries_out_what_is_deployed_until_it_is_stopped(
    packaged: Packaged, tmp_path: Path
) -> None:
    name = packaged.deploy("echo hello; exec sleep 1000")
    with core(packaged, folder=tmp_path / "device") as running:
        running.until(f"ready: {packaged.thing} runs {name} until Ctrl-C")
        assert "the deployment: SUCCEEDED" in running.said()
        assert "hello" in (tmp_path / "device" / "logs" / f"{name}.log").read_text()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0
        assert running.said().endswith("the core has stopped\n")
    greengrass = packaged.cloud.client("greengrassv2")
    reported = greengrass.get_core_device(coreDeviceThingName=packaged.thing)
    assert reported["status"] == "HEALTHY"


def test_failing_component_is_reported_with_the_end_of_its_log_and_the_core_stays(
    packaged: Packaged, tmp_path: Path
) -> None:
    name = packaged.deploy("echo the model is damaged; exit 3")
    with core(packaged, folder=tmp_path / "device") as running:
        running.until("the deployment: FAILED")
        assert f"{name} is broken: run ended with exit code 3" in running.said()
        assert "          the model is damaged\n" in running.said()
        assert "ready" not in running.said()
        assert running.process.poll() is None


def test_core_whose_deployment_was_emptied_does_not_say_that_it_runs_something(
    packaged: Packaged, tmp_path: Path
) -> None:
    name = packaged.deploy("exec sleep 1000")
    with core(packaged, folder=tmp_path / "device") as running:
        running.until(f"ready: {packaged.thing} runs {name} until Ctrl-C")
        packaged.deploy_nothing()
        running.until(f"nothing is deployed to {packaged.thing} any more: `npx cdk deploy …`")
        assert running.said().count("ready: ") == 1


def test_failed_deployment_is_reported_with_the_line_that_explains_it(
    packaged: Packaged, tmp_path: Path
) -> None:
    lines = "".join(f"; echo {number}" for number in range(20))  # more than the end of the log
    name = packaged.deploy(f"echo topK=0: must be a whole number from 1 to 100{lines}; exit 3")
    with core(packaged, folder=tmp_path / "device") as running:
        running.until("the deployment: FAILED")
        running.until(f"{name} said: topK=0: must be a whole number from 1 to 100\n")


def test_cloud_that_goes_is_reported_once_and_the_core_can_be_stopped(tmp_path: Path) -> None:
    with LocalCloud() as cloud:
        made = package(cloud, tmp_path)
        with core(made, folder=tmp_path / "device") as running:
            running.until(f"{made.thing} is connected")
            cloud.stop()
            running.until(f"{made.thing}: not connected: ")
            time.sleep(2)  # so long that it is tried again
            assert running.said().count("Connection refused") == 1
            running.process.terminate()
            assert running.process.wait(20) == 0


def test_second_core_of_a_device_is_refused(packaged: Packaged, tmp_path: Path) -> None:
    with core(packaged, folder=tmp_path / "device") as running:
        running.until("is connected")
        said = refused(
            packaged.zip, "--folder", tmp_path / "device", endpoint=packaged.cloud.endpoint
        )
        assert f"another core works in {tmp_path / 'device'}" in said
        assert running.process.poll() is None


def test_archive_that_is_not_there_is_reported(cloud: LocalCloud, tmp_path: Path) -> None:
    said = refused(tmp_path / "x.zip", endpoint=cloud.endpoint)
    assert f"there is no {tmp_path / 'x.zip'}: `mli package NAME` writes it" in said


def test_option_that_is_not_for_the_archive_is_refused(packaged: Packaged, tmp_path: Path) -> None:
    of_v1 = tmp_path / "v1.zip"
    with zipfile.ZipFile(of_v1, "w") as opened:
        thing = {"thingArn": f"{ACCOUNT}:thing/Old_Core"}
        opened.writestr("config/config.json", json.dumps({"coreThing": thing}))
    for words, fault in (
        ((packaged.zip, "--core-name", "x"), "--core-name goes with a claim"),
        ((of_v1, "--nucleus", "lite"), f"--nucleus is for Greengrass V2: {of_v1} is for V1"),
    ):
        done = CliRunner().invoke(main, ["core", *map(str, words)])
        assert done.exit_code == 2
        assert fault in done.stderr


def test_shell_that_names_no_cloud_gets_advice(packaged: Packaged) -> None:
    said = refused(packaged.zip, endpoint=None)
    assert "no local cloud is named: `make cloud`" in said
    assert "`source build/local-cloud/environment.sh`" in said


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "nonsense"])
def test_cloud_that_does_not_answer_is_reported(packaged: Packaged, endpoint: str) -> None:
    assert f"no local cloud answers at {endpoint}" in refused(packaged.zip, endpoint=endpoint)


def test_archive_of_another_region_is_reported(cloud: LocalCloud, tmp_path: Path) -> None:
    made = package(cloud, tmp_path, region="eu-west-1")
    said = refused(made.zip, "--folder", tmp_path / "device", endpoint=cloud.endpoint)
    assert f"the archive is not for the cloud at {cloud.endpoint}: " in said
    assert "not 'eu-west-1': this local cloud is in us-east-1" in said


def test_archive_of_a_cloud_that_is_gone_is_reported(cloud: LocalCloud, tmp_path: Path) -> None:
    made = package(cloud, tmp_path, mqtt_port=1)
    said = refused(made.zip, "--folder", tmp_path / "device", endpoint=cloud.endpoint)
    assert f"is for the broker 127.0.0.1:1, and this cloud's is 127.0.0.1:{cloud.mqtt_port}" in said
    assert f"`mli package {made.thing.removesuffix('_Core')}`" in said


def test_certificate_that_is_not_active_is_reported(
    packaged: Packaged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_core, "_CONNECT_SECONDS", 2.0)
    iot = packaged.cloud.client("iot")
    iot.update_certificate(certificateId=packaged.certificate_id, newStatus="INACTIVE")
    said = refused(packaged.zip, "--folder", tmp_path / "device", endpoint=packaged.cloud.endpoint)
    assert f"does not take {packaged.thing}" in said
    assert "whether its certificate is active and attached" in said


def test_device_has_a_folder_of_its_things_name(
    packaged: Packaged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_core, "DEVICES", tmp_path / "devices")
    monkeypatch.setattr(start_core, "_CONNECT_SECONDS", 0.0)
    packaged.cloud.client("iot").update_certificate(
        certificateId=packaged.certificate_id, newStatus="INACTIVE"
    )
    refused(packaged.zip, endpoint=packaged.cloud.endpoint)
    assert os.listdir(tmp_path / "devices") == [packaged.thing]  # noqa: PTH208
    assert (tmp_path / "devices" / packaged.thing / "private.pem.key").is_file()
