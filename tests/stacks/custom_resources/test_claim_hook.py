"""The hook of fleet provisioning: which names of cores it lets a claim's holder choose."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from custom_resources import claim_hook
from inference import names as device_names
from stacks import names


@pytest.fixture
def iot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """AWS IoT with only the answers that a test gives."""
    made = boto3.client(
        "iot", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    monkeypatch.setattr(boto3, "client", lambda service: made)
    with Stubber(made) as stub:
        yield stub
        stub.assert_no_pending_responses()


def event(name: object) -> dict[str, Any]:
    return {
        "claimCertificateId": "a claim",
        "certificateId": "a certificate",
        "templateArn": "arn:aws:iot:eu-west-1:123456789012:provisioningtemplate/shop-floor",
        "clientId": "1",
        "parameters": {"CoreName": name},
    }


def is_allowed(name: object) -> bool:
    return bool(claim_hook.handler(event(name), None)["allowProvisioning"])


def test_hook_has_the_rule_of_the_context_key() -> None:
    assert claim_hook.CORE_NAME_PATTERN == device_names.CORE_NAME_PATTERN
    assert names.CORE_NAME_PARAMETER in event("")["parameters"]


@pytest.mark.parametrize("name", ["a", "press-7", "A_1", "7", "a" * 64])
def test_new_name_is_allowed(iot: Stubber, name: str) -> None:
    iot.add_client_error(
        "describe_thing",
        "ResourceNotFoundException",
        expected_params={"thingName": names.thing_name(name)},
    )
    assert is_allowed(name)


def test_name_of_an_existing_thing_is_refused(
    iot: Stubber, caplog: pytest.LogCaptureFixture
) -> None:
    iot.add_response("describe_thing", {"thingName": "press-7_Core"})
    with caplog.at_level(logging.INFO):
        assert not is_allowed("press-7")
    assert "refused 'press-7': there is a thing press-7_Core already (claim a claim)" in caplog.text


@pytest.mark.parametrize(
    "name",
    ["", "-a", "_a", "a b", "a/b", "a+", "#", "*", "a:b", "ä", "a" * 65, "a\n", "٣", "<coreName>",
     "${CoreName}", None, 7, True, ["a"], {"a": "b"}],
)  # fmt: skip
def test_name_that_no_core_may_have_is_refused_unasked(iot: Stubber, name: object) -> None:
    assert not is_allowed(name)


@pytest.mark.parametrize("parameters", [None, {}, {"coreName": "a"}])
def test_device_without_a_name_is_refused(iot: Stubber, parameters: object) -> None:
    given = {**event("a"), "parameters": parameters}
    assert claim_hook.handler(given, None) == {"allowProvisioning": False}


def test_hook_that_cannot_ask_fails(iot: Stubber) -> None:
    """AWS IoT takes a failure as no."""
    iot.add_client_error("describe_thing", "ThrottlingException")
    with pytest.raises(ClientError, match="Throttling"):
        claim_hook.handler(event("a"), None)
