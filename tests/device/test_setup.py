from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from local_core.device.setup import (
    Address,
    SetupError,
)
from local_core.device.v1 import configuration as v1
from local_core.device.v1.generation import GenerationV1
from local_core.device.v2 import configuration as v2
from stacks.core.nucleus_configuration import NucleusConfiguration
from stacks.v1.group_outputs import core_configuration
from tests.device.conftest import Device


def _v2_output() -> str:
    made = NucleusConfiguration("Demo_Core", "Alias", "eu-west-1", "127.0.0.1:1883", "cred.aws")
    return json.dumps({"classic": made.classic(), "lite": made.lite()})


def _v1_output(**changes: Any) -> str:
    thing = "arn:aws:iot:eu-west-1:123456789012:thing/Demo_Core"
    document = core_configuration(thing_arn=thing, iot_host="data.aws", greengrass_host="gg.aws")
    return json.dumps({**document, **changes})


def test_v2_core_reads_what_the_stack_wrote(tmp_path: Path) -> None:
    file = v2.write_configuration(_v2_output(), tmp_path)
    found = v2.read_configuration(file)
    assert file == tmp_path / "config.yaml"
    assert found.root == tmp_path
    assert (found.thing_name, found.role_alias, found.region) == ("Demo_Core", "Alias", "eu-west-1")
    assert found.broker == Address("127.0.0.1", 1883)
    assert found.credential_provider == Address("cred.aws", 443)
    assert found.private_key == tmp_path / "private.pem.key"
    assert found.root_ca == tmp_path / "AmazonRootCA1.pem"
    assert "/greengrass/v2" not in file.read_text()


def test_v1_core_reads_what_the_stack_wrote_without_placeholders(tmp_path: Path) -> None:
    file = v1.write_configuration(_v1_output(), tmp_path)
    found = v1.read_configuration(file)
    assert "_HERE" not in file.read_text()
    assert (found.thing_name, found.region, found.root) == ("Demo_Core", "eu-west-1", tmp_path)
    assert found.broker == Address("data.aws", 443)
    assert found.certificate == tmp_path / "device.pem.crt"
    assert found.private_key == tmp_path / "private.pem.key"


def test_output_of_the_other_generation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no classic: is it of the other generation"):
        v2.write_configuration(_v1_output(), tmp_path)
    with pytest.raises(SetupError, match="no coreThing: is it of the other generation"):
        v1.write_configuration(_v2_output(), tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "nonsense"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SetupError, match="GreengrassConfig is not"):
        v2.write_configuration(text, tmp_path)


@pytest.mark.parametrize(
    "endpoint",
    ["", ":8883", "host:mqtt", "https://host", "host:0", "host:65536", "a..b", "a" * 64, "a b"],
)
def test_address_that_is_none_is_named(endpoint: str) -> None:
    with pytest.raises(SetupError, match="is not HOST or HOST:PORT"):
        Address.parse(endpoint, 8883)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    file = v1.write_configuration(_v1_output(crypto={}), tmp_path)
    with pytest.raises(SetupError, match=r"config\.json has no usable principals"):
        v1.read_configuration(file)
    (tmp_path / "config.yaml").write_text("{}")
    with pytest.raises(SetupError, match=r"config\.yaml has no usable system"):
        v2.read_configuration(tmp_path / "config.yaml")


def test_key_is_the_owners_alone(device: Device) -> None:
    assert stat.S_IMODE(device.certificate.private_key.stat().st_mode) == 0o600
    assert "PRIVATE KEY" in device.certificate.private_key.read_text()
    assert device.certificate.arn.endswith(device.certificate.id)


def test_only_an_account_without_a_service_role_gets_one() -> None:
    greengrass = boto3.client("greengrass", region_name="eu-west-1")
    asked: list[str] = []

    def client(service: str) -> Any:
        asked.append(service)
        return greengrass

    with Stubber(greengrass) as stubber:
        stubber.add_client_error("get_service_role_for_account", "InternalServerErrorException")
        with pytest.raises(ClientError, match="InternalServerError"):
            GenerationV1().prepare_account(client)
    assert asked == ["greengrass"], "nothing is created on a fault of the service"
