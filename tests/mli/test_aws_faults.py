"""What each command says when AWS says no, in one line and with what would help."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.endpoint
import botocore.exceptions
import pytest
from botocore.stub import Stubber

import mli.aws
from mli.cli.output import Output
from mli.device.certificates import attachments, keyfiles
from mli.device.certificates.certificate import create_certificate
from mli.device.certificates.keyfiles import KeyFolder
from mli.device.deployments import redeploy
from mli.device.generations.table import generation_of
from mli.device.packaging import package
from mli.device.stacks.core import CoreStack
from mli.errors import MliError
from tests.mli.support import Commands, refusal
from tests.waiting import replace_time

COMMANDS = {
    "certificate": ("certificate", "Demo"),
    "package": ("package", "Demo"),
    "redeploy": ("redeploy", "Demo"),
    "status": ("status", "Demo"),
    "watch": ("watch", "Demo"),
    "fleet add": ("fleet", "cores.csv", "--fleet", "shop-floor"),
    "fleet status": ("fleet", "status", "shop-floor"),
}
FIRST_CALL = {"certificate": "iot.CreateKeysAndCertificate", "watch": "iot.DescribeEndpoint"}
STACK = CoreStack(
    "Demo", "us-east-1", {"DeploymentTarget": "arn:aws:iot:us-east-1:1:thing/Demo_Core"}
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_time(monkeypatch, botocore.endpoint, sleep=lambda seconds: None)


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, commands: Commands) -> str:
    Path("cores.csv").write_text("coreName\na\n")
    return str(request.param)


def _say(commands: Commands, command: str) -> str:
    result = commands.result(*COMMANDS[command], code=1)
    [said] = result.stderr.splitlines()[-1:]
    assert said.startswith(f"mli {command}: ")
    return said


def _refuse(monkeypatch: pytest.MonkeyPatch, code: str, message: str, status: int) -> list[Any]:
    """Let AWS refuse every request; return those that come."""
    came: list[Any] = []
    answer = refusal(code, message, status)

    class Session(boto3.Session):  # type: ignore[misc]  # botocore has no types
        def client(self, *arguments: Any, **options: Any) -> Any:
            made = super().client(*arguments, **options)

            def handle(request: Any, **more: Any) -> Any:
                came.append(request)
                return answer(request)

            made.meta.events.register_first("before-send", handle)
            return made

    monkeypatch.setattr(boto3, "Session", Session)
    return came


def test_no_credentials(commands: Commands, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no AWS credentials: run `aws configure`" in _say(commands, command)
    assert not Path("certs/Demo/private.pem.key").exists()


def test_no_region(commands: Commands, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "no AWS Region is set: add --region" in _say(commands, command)


def test_region_of_the_newer_variable_is_enough(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert "no stack DlrInference-Nobody in us-east-1" in commands.run("status", "Nobody", code=1)


def test_regions_that_differ_are_named_and_the_cdks_is_used(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    said = commands.result("package", "Nobody", code=1).stderr
    assert "not 'eu-west-1': this local cloud is in us-east-1" in said
    differ = "AWS_REGION=eu-west-1 and AWS_DEFAULT_REGION=us-east-1 differ: using eu-west-1"
    assert said.count(differ) == 1
    explicit = commands.result("package", "Nobody", "--region", "eu-north-1", code=1).stderr
    assert "not 'eu-north-1': this local cloud is in us-east-1" in explicit
    assert "differ" not in explicit


def test_region_of_the_environment_comes_before_the_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[profile p]\nregion = eu-south-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert mli.aws.session(profile="p").region_name == "eu-west-1"
    monkeypatch.delenv("AWS_REGION")
    assert mli.aws.session(profile="p").region_name == "eu-south-1"


def test_no_permission(commands: Commands, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, "AccessDeniedException", "User u is not authorized to perform: x", 403)
    said = _say(commands, command)
    assert "not permitted" in said
    assert "User u is not authorized to perform: x" in said
    assert "docs/permissions.md" in said


def test_expired_session(commands: Commands, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(monkeypatch, "ExpiredTokenException", "The security token is expired", 403)
    assert "the AWS session has expired: sign in again" in _say(commands, command)


def test_throttling_is_tried_again_before_it_is_reported(
    commands: Commands, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = _refuse(monkeypatch, "ThrottlingException", "Rate exceeded", 429)
    assert "AWS is throttling" in _say(commands, command)
    assert len(came) >= 3


def test_endpoint_that_cannot_be_reached(
    commands: Commands, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "Could not connect to the endpoint URL" in _say(commands, command)


def test_profile_that_does_not_exist(commands: Commands, command: str) -> None:
    result = commands.result(*COMMANDS[command], "--aws-profile", "nope", code=1)
    assert "`aws configure list-profiles`" in result.stderr


@contextmanager
def _stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    made = boto3.client(
        service,
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    with Stubber(made) as stubber:
        yield made, stubber
        stubber.assert_no_pending_responses()


def test_wrong_region_is_named_with_the_option_that_fixes_it() -> None:
    with _stubbed("cloudformation") as (made, stubber), _stubbed("iot") as (iot, things):
        stubber.add_client_error(
            "describe_stacks", "ValidationError", "Stack with id DlrInference-Demo does not exist"
        )
        things.add_client_error("list_thing_groups_for_thing", "ResourceNotFoundException")
        of = {"cloudformation": made, "iot": iot}
        with pytest.raises(MliError, match=r"no stack DlrInference-Demo in eu-west-1.*--region"):
            CoreStack.find(of.__getitem__, "Demo")


def test_certificate_of_another_region_is_reported(tmp_path: Path) -> None:
    pem = _certificate_pem(tmp_path)
    with _stubbed("iot") as (made, stubber):
        stubber.add_client_error("describe_certificate", "ResourceNotFoundException", "none")
        with pytest.raises(MliError, match=r"no certificate .* in eu-west-1: is it from another"):
            attachments.check_registered(made, pem, "Demo_Core")


def test_limit_of_certificates_leaves_no_half_key(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "Demo")
    keys.prepare()
    with _stubbed("iot") as (made, stubber):
        stubber.add_client_error(
            "create_keys_and_certificate", "UnauthorizedException", "no", http_status_code=401
        )
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            create_certificate(made, keys)
    assert "not permitted: CreateKeysAndCertificate: no" in mli.aws.explain(refused.value)
    assert [file.name for file in keys.path.iterdir()] == [".gitignore"]


def test_key_that_cannot_be_kept_says_how_to_revoke_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyFolder(tmp_path / "Demo")
    keys.prepare()
    reply = {
        "certificateArn": "arn:aws:iot:eu-west-1:1:cert/c",
        "certificateId": "c" * 64,
        "certificatePem": "pem",
        "keyPair": {"PublicKey": "public", "PrivateKey": "private"},
    }

    def full(*arguments: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(keyfiles, "write_new", full)
    with _stubbed("iot") as (made, stubber):
        stubber.add_response("create_keys_and_certificate", reply, {"setAsActive": True})
        with pytest.raises(MliError, match=r"No space left.*--new-status REVOKED"):
            create_certificate(made, keys)


def test_core_without_a_deployment_has_nothing_to_repeat() -> None:
    with _stubbed("greengrassv2") as (made, stubber):
        stubber.add_response("list_deployments", {"deployments": []})
        with pytest.raises(MliError, match="no deployment to repeat"):
            generation_of(STACK).redeploy(lambda service: made, STACK, again=False)


def test_refusal_of_the_second_generation_is_reported() -> None:
    with _stubbed("greengrassv2") as (made, stubber):
        stubber.add_client_error("get_core_device", "AccessDeniedException", "no", 403)
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            redeploy.wait_for(lambda service: made, STACK, "id", 1, Output(as_json=True))
    assert mli.aws.explain(refused.value).startswith("not permitted: GetCoreDevice: no")


def test_stack_of_another_version_is_reported() -> None:
    stack = CoreStack("Demo", "eu-west-1", {"GreengrassGroupID": "g", "GreengrassConfig": "{"})
    with pytest.raises(MliError, match="GreengrassConfig is not JSON"):
        package.layout_of(stack, "classic")
    other = CoreStack("Demo", "eu-west-1", {"GreengrassGroupID": "g"})
    with pytest.raises(MliError, match="has no output GreengrassConfig"):
        package.layout_of(other, "classic")


def _certificate_pem(folder: Path) -> bytes:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
