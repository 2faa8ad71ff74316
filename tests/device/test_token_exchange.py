"""Credentials for the certificate, and boto3's unmodified client of the token exchange."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_core.device.credentials import CoreCredentials, Credentials, CredentialsError
from local_core.device.mqtt import tls_context
from local_core.device.setup import Address
from local_core.device.token_exchange import TokenExchange
from local_core.processes.environments import of_component
from tests.device.conftest import THING, Device

_CALL = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture(scope="module")
def provider(device: Device) -> CoreCredentials:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "credentials.iot.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = device.cloud.client("iam").create_role(
        RoleName="Demo", AssumeRolePolicyDocument=document
    )
    device.cloud.client("iot").create_role_alias(roleAlias="DemoAlias", roleArn=role["Role"]["Arn"])
    return _provider(device, "DemoAlias")


def _provider(device: Device, alias: str, **options: Any) -> CoreCredentials:
    made = device.certificate
    tls = tls_context(made)
    address = Address.parse(device.cloud.credential_endpoint, 443)
    return CoreCredentials(address, alias, THING, tls, **options)


def test_credentials_are_kept_until_shortly_before_their_end(
    device: Device, provider: CoreCredentials
) -> None:
    now = datetime.now(UTC)
    moment = [now]
    careful = _provider(device, "DemoAlias", now=lambda: moment[0])
    first = careful.get()
    moment[0] = first.expiration - timedelta(minutes=6)
    assert careful.get() is first
    moment[0] = first.expiration - timedelta(minutes=4)
    assert careful.get() is not first


def test_role_alias_that_the_certificate_may_not_use_is_refused(device: Device) -> None:
    with pytest.raises(CredentialsError, match="the credential provider refuses"):
        _provider(device, "Another").get()


def test_boto3_finds_the_credentials(device: Device, provider: CoreCredentials) -> None:
    with TokenExchange(provider) as exchange:
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            **of_component(device.cloud.endpoint),
            **exchange.environment("com.A"),
        }
        output = subprocess.check_output([sys.executable, "-c", _CALL], env=environment, text=True)
    assert "assumed-role/Demo" in output


def test_only_the_token_of_the_component_counts(provider: CoreCredentials) -> None:
    with TokenExchange(provider) as exchange:
        old = exchange.environment("com.A")["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        environment = exchange.environment("com.A")
        link = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        assert _get(link, token)[0] == 200
        assert _get(link, old)[0] == 403
        assert _get(link, "")[0] == 403
        assert _get(link + "x", token)[0] == 404


@pytest.mark.parametrize(
    "headers", [{"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}]
)
def test_web_page_gets_no_credentials(
    provider: CoreCredentials, headers: Mapping[str, str]
) -> None:
    with TokenExchange(provider) as exchange:
        environment = exchange.environment("com.A")
        status, body = _get(
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
            headers,
        )
    assert status == 403
    assert "refused" in body["message"] or "host must be" in body["message"]


def test_refused_credentials_are_an_error_to_the_component(device: Device) -> None:
    with TokenExchange(_provider(device, "Another")) as exchange:
        environment = exchange.environment("com.A")
        status, body = _get(
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
        )
    assert status == 500
    assert "refuses" in body["message"]


def test_users_own_settings_and_proxy_do_not_reach_the_component() -> None:
    found = of_component("http://127.0.0.1:1", {"NO_PROXY": "pypi.example"})
    assert found["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert found["NO_PROXY"] == "pypi.example,127.0.0.1,localhost"
    assert found["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1"


def test_answer_without_credentials_is_an_error() -> None:
    with pytest.raises(KeyError):
        Credentials.parse({})


def _get(link: str, token: str, more: Mapping[str, str] | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(link, headers={"Authorization": token, **(more or {})})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_service_that_was_started_again_forgets_nothing_but_its_port(
    provider: CoreCredentials,
) -> None:
    exchange = TokenExchange(provider)
    with exchange:
        before = exchange.environment("com.A")
        exchange.stop()
        assert exchange.environment("com.A") == {}
        with pytest.raises(urllib.error.URLError):
            _ask(before)
        exchange.start()
        address = exchange.environment("com.B")["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        moved = {**before, "AWS_CONTAINER_CREDENTIALS_FULL_URI": address}
        assert _ask(moved) == 200


def _ask(environment: Mapping[str, str]) -> int:
    """Ask for credentials as AWS's SDKs do; return the status."""
    request = urllib.request.Request(
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return int(reply.status)
