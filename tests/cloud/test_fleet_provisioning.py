"""Fleet provisioning by claim, with the template of a fleet, by real MQTT."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from ministack.core.responses import request_scope
from ministack.services import iot as iot_service

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import FILE, read_decisions
from local_core.cloud.provisioning import mqtt_api
from local_core.cloud.provisioning.mqtt_api import FleetProvisioning
from local_core.device import provisioning
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.provisioning import CSR_TOPIC, PROVISION_TOPIC, ProvisioningError, ask
from local_core.device.setup import Address, Certificate, create_certificate
from mli.device.certificates import keyfiles
from stacks import names
from tests.cloud.provisioning_by_claim import deploy_provisioning
from tests.cloud.support import Device, MqttClient
from tests.waiting import eventually, replace_time

FLEET = "claimed-fleet-with-a-name-longer-than-36"
TEMPLATE = names.provisioning_template_name(FLEET)
PROVISION = PROVISION_TOPIC.format(template=TEMPLATE)
ACCOUNT, REGION = "000000000000", "us-east-1"
CERTIFICATE_OF_A_TEMPLATE = {
    "Type": "AWS::IoT::Certificate",
    "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
}
CLIENT_ID = str(uuid.uuid4())


@pytest.fixture(scope="module")
def claim(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A claim certificate of the fleet."""
    deploy_provisioning(cloud, FLEET, tmp_path_factory.mktemp("cdk"))
    iot = cloud.client("iot")
    made = create_certificate(iot, tmp_path_factory.mktemp("claim"), cloud.ca_path)
    iot.attach_policy(policyName=names.claim_policy_name(FLEET), target=made.arn)
    return made


@contextmanager
def connected(
    cloud: LocalCloud, claim: Certificate, client_id: str | None = None
) -> Iterator[MqttConnection]:
    address = Address(cloud.mqtt_host, cloud.mqtt_port)
    tls = tls_context(claim)
    with MqttConnection(address, client_id or str(uuid.uuid4()), tls) as connection:
        assert connection.wait_until_connected(5)
        yield connection


def request_of(name: str) -> str:
    return keyfiles.signing_request(keyfiles.new_key("ec"), name).decode()


def created(connection: MqttConnection) -> Mapping[str, Any]:
    """A new certificate, and its token."""
    return ask(connection, CSR_TOPIC, {"certificateSigningRequest": request_of("a device")})


def provision(connection: MqttConnection, name: object, token: object = None) -> Mapping[str, Any]:
    token = token or created(connection)["certificateOwnershipToken"]
    return ask(
        connection,
        PROVISION,
        {"certificateOwnershipToken": token, "parameters": {"CoreName": name}},
    )


def a_name() -> str:
    return f"press-{uuid.uuid4().hex[:8]}"


def test_device_becomes_a_core_of_the_fleet(cloud: LocalCloud, claim: Certificate) -> None:
    name, iot = a_name(), cloud.client("iot")
    key = keyfiles.new_key("ec")
    request = keyfiles.signing_request(key, name).decode()
    with connected(cloud, claim) as connection:
        answer = ask(connection, CSR_TOPIC, {"certificateSigningRequest": request})
        provisioned = provision(connection, name, answer["certificateOwnershipToken"])
    assert provisioned["thingName"] == f"{name}_Core"
    assert set(answer) == {"certificateId", "certificatePem", "certificateOwnershipToken"}
    public = x509.load_pem_x509_certificate(answer["certificatePem"].encode()).public_key()
    pair = [keyfiles.public_bytes(one) for one in (public, key.public_key())]
    assert pair[0] == pair[1]
    thing = iot.describe_thing(thingName=f"{name}_Core")
    assert thing["attributes"] == {"createdWithCertificate": answer["certificateId"]}
    groups = iot.list_thing_groups_for_thing(thingName=f"{name}_Core")["thingGroups"]
    assert [group["groupName"] for group in groups] == [FLEET]
    certificate = iot.describe_certificate(certificateId=answer["certificateId"])
    about = certificate["certificateDescription"]
    assert about["status"] == "ACTIVE"
    policies = iot.list_attached_policies(target=about["certificateArn"])["policies"]
    assert len(policies) == 2
    assert all(re.fullmatch("[0-9A-F]{40}", policy["policyName"]) for policy in policies)


def test_new_core_may_do_what_a_core_of_a_list_may(
    cloud: LocalCloud, claim: Certificate, tmp_path: Path
) -> None:
    name = a_name()
    key = keyfiles.new_key("ec")
    request = keyfiles.signing_request(key, name).decode()
    with connected(cloud, claim) as connection:
        answer = ask(connection, CSR_TOPIC, {"certificateSigningRequest": request})
        provision(connection, name, answer["certificateOwnershipToken"])
    (tmp_path / "key.pem").write_bytes(keyfiles.key_pem(key))
    (tmp_path / "cert.pem").write_text(answer["certificatePem"])
    arn = cloud.client("iot").describe_certificate(certificateId=answer["certificateId"])
    device = Device(
        cloud,
        f"{name}_Core",
        arn["certificateDescription"]["certificateArn"],
        tmp_path / "cert.pem",
        tmp_path / "key.pem",
    )
    with MqttClient(device) as client:
        eventually(lambda: client.connected)
        client.publish(f"mli/predictions/{name}", b"[]").wait_for_publish(5)
        client.publish("mli/predictions/another", b"[]")
        eventually(lambda: client.failed)


@pytest.mark.parametrize("name", ["a/../b", "${CoreName}", None])
def test_name_that_no_core_may_have_is_refused(
    cloud: LocalCloud, claim: Certificate, name: object
) -> None:
    things = cloud.client("iot").list_things()["things"]
    with (
        connected(cloud, claim) as connection,
        pytest.raises(ProvisioningError, match="AccessDenied"),
    ):
        provision(connection, name)
    assert cloud.client("iot").list_things()["things"] == things


def test_existing_thing_gets_no_second_certificate(cloud: LocalCloud, claim: Certificate) -> None:
    name, iot = a_name(), cloud.client("iot")
    iot.create_thing(thingName=f"{name}_Core")
    with (
        connected(cloud, claim) as connection,
        pytest.raises(ProvisioningError, match="AccessDenied"),
    ):
        provision(connection, name)
    assert iot.list_thing_principals(thingName=f"{name}_Core")["principals"] == []
    assert iot.list_thing_groups_for_thing(thingName=f"{name}_Core")["thingGroups"] == []


def test_existing_thing_fails_even_if_no_hook_refuses_it(
    cloud: LocalCloud, claim: Certificate
) -> None:
    """As for two devices of one name that come at the same moment."""
    name, iot = a_name(), cloud.client("iot")
    hook = iot.describe_provisioning_template(templateName=TEMPLATE)["preProvisioningHook"]
    with connected(cloud, claim) as connection:
        provision(connection, name)
        principals = iot.list_thing_principals(thingName=f"{name}_Core")["principals"]
        iot.update_provisioning_template(templateName=TEMPLATE, removePreProvisioningHook=True)
        try:
            with pytest.raises(ProvisioningError, match=r"ProvisioningFailed.*conflicts"):
                provision(connection, name)
        finally:
            iot.update_provisioning_template(templateName=TEMPLATE, preProvisioningHook=hook)
    assert iot.list_thing_principals(thingName=f"{name}_Core")["principals"] == principals


def test_device_that_lost_power_before_it_was_a_core_comes_again(
    cloud: LocalCloud, claim: Certificate
) -> None:
    name = a_name()
    with connected(cloud, claim) as connection:
        lost = created(connection)["certificateId"]
    with connected(cloud, claim) as connection:
        assert provision(connection, name)["thingName"] == f"{name}_Core"
    found = cloud.client("iot").describe_certificate(certificateId=lost)["certificateDescription"]
    assert found["status"] == "PENDING_ACTIVATION"


def test_expired_token_and_its_certificate_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, whose clock can be another: a token is good for an hour."""
    for part in ("_parse_fleet_provisioning_topic", "_fleet_provisioning_reply",
                 "_provisioning_role_allows"):  # fmt: skip
        monkeypatch.setattr(iot_service, part, getattr(iot_service, part))
    FleetProvisioning(lambda role, requests: True)

    def answer(*request: object) -> tuple[str, dict[str, Any]]:
        coroutine = iot_service._fleet_provisioning_reply(ACCOUNT, REGION, *request, {})
        # On a thread of its own: after tests of pages, Playwright's loop runs on this one.
        with ThreadPoolExecutor(1) as thread:
            found: tuple[str, dict[str, Any]] = thread.submit(
                copy_context().run, asyncio.run, coroutine
            ).result()
        return found

    def known(certificate: str) -> bool:
        with request_scope(ACCOUNT, REGION):
            return certificate in iot_service._certificates

    with request_scope(ACCOUNT, REGION):
        body = {"Resources": {"one": CERTIFICATE_OF_A_TEMPLATE}}
        iot_service._create_provisioning_template(
            {
                "templateName": "timed",
                "templateBody": json.dumps(body),
                "provisioningRoleArn": "arn:aws:iam::000000000000:role/any",
                "enabled": True,
            }
        )
    request = json.dumps({"certificateSigningRequest": request_of("a")}).encode()
    _, used = answer("create-from-csr", None, request)
    _, late = answer("create-from-csr", None, request)
    tokens = [
        json.dumps({"certificateOwnershipToken": one["certificateOwnershipToken"]}).encode()
        for one in (used, late)
    ]
    assert answer("provision", "timed", tokens[0])[0] == "accepted"
    now = time.time()
    replace_time(monkeypatch, mqtt_api, time=lambda: now + 3_590)
    answer("create-from-csr", None, b"")
    assert known(late["certificateId"])
    replace_time(monkeypatch, mqtt_api, time=lambda: now + 3_610)
    kind, said = answer("provision", "timed", tokens[1])
    assert (kind, said["errorCode"]) == ("rejected", "InvalidCertificateOwnershipToken")
    assert not known(late["certificateId"])
    assert known(used["certificateId"])


def test_token_is_good_for_its_own_certificate_only(cloud: LocalCloud, claim: Certificate) -> None:
    with connected(cloud, claim) as connection:
        for token in ("", "x" * 64, 7):
            with pytest.raises(ProvisioningError, match="InvalidCertificateOwnershipToken"):
                ask(
                    connection,
                    PROVISION,
                    {"certificateOwnershipToken": token, "parameters": {"CoreName": a_name()}},
                )


@pytest.mark.parametrize("request_text", ["", "not a request", None, request_of("a")[:-80], 7])
def test_bad_signing_request_is_refused(
    cloud: LocalCloud, claim: Certificate, request_text: object
) -> None:
    with (
        connected(cloud, claim) as connection,
        pytest.raises(ProvisioningError, match="CSR violates constraints"),
    ):
        ask(connection, CSR_TOPIC, {"certificateSigningRequest": request_text})


def test_key_that_aws_does_not_take_is_refused(cloud: LocalCloud, claim: Certificate) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    with (
        connected(cloud, claim) as connection,
        pytest.raises(ProvisioningError, match="CSR violates constraints"),
    ):
        ask(connection, CSR_TOPIC, {"certificateSigningRequest": pem})


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/certificates/create/json",
        "$aws/provisioning-templates/another/provision/json",
        "$aws/things/press_Core/shadow/update",
        "mli/predictions/press",
    ],
)
def test_claim_may_use_no_other_topic(cloud: LocalCloud, claim: Certificate, topic: str) -> None:
    with (
        connected(cloud, claim) as connection,
        pytest.raises(ProvisioningError, match="may not use this topic"),
    ):
        ask(connection, topic, {})
    resource = f"topicfilter/{topic}/accepted"
    assert any(
        one.decision == "deny" and one.resource.endswith(resource)
        for one in read_decisions(cloud.data / FILE)
    )


def test_claim_cannot_take_the_connection_of_a_core(cloud: LocalCloud, claim: Certificate) -> None:
    address = Address(cloud.mqtt_host, cloud.mqtt_port)
    with MqttConnection(address, "press-1_Core", tls_context(claim)) as connection:
        assert not connection.wait_until_connected(1)
        eventually(lambda: connection.fault)


def test_deactivated_claim_connects_no_more(
    cloud: LocalCloud, claim: Certificate, tmp_path: Path
) -> None:
    iot = cloud.client("iot")
    made = create_certificate(iot, tmp_path, cloud.ca_path)
    iot.attach_policy(policyName=names.claim_policy_name(FLEET), target=made.arn)
    with connected(cloud, made) as connection:
        created(connection)
    iot.update_certificate(certificateId=made.id, newStatus="INACTIVE")
    with MqttConnection(
        Address(cloud.mqtt_host, cloud.mqtt_port), CLIENT_ID, tls_context(made)
    ) as connection:
        assert not connection.wait_until_connected(1)


def test_what_the_role_of_the_template_does_is_logged(
    cloud: LocalCloud, claim: Certificate
) -> None:
    name = a_name()
    with connected(cloud, claim) as connection:
        provision(connection, name)
    found = {
        one.action: one.statement
        for one in read_decisions(cloud.data / FILE)
        if "/IoTProvisioning" in one.principal
    }
    assert found == {
        "iot:AddThingToThingGroup": "Provisioning[JoinFleet]",
        "iot:AttachPolicy": "Provisioning[AttachCertificate]",
        "iot:AttachThingPrincipal": "Provisioning[AttachCertificate]",
        "iot:CreatePolicy": "Provisioning[CreatePolicies]",
        "iot:CreateThing": "Provisioning[CreateThing]",
        "iot:UpdateCertificate": "Provisioning[AttachCertificate]",
    }
    asked = f"thing/{name}_Core"
    assert any(
        one.action == "iot:DescribeThing" and one.resource.endswith(asked)
        for one in read_decisions(cloud.data / FILE)
    )


@pytest.mark.parametrize(
    "statement", ["CreateThing", "JoinFleet", "CreatePolicies", "AttachCertificate"]
)
def test_role_of_the_template_needs_each_of_its_writes(
    cloud: LocalCloud, claim: Certificate, statement: str
) -> None:
    iam, iot = cloud.client("iam"), cloud.client("iot")
    template = iot.describe_provisioning_template(templateName=TEMPLATE)
    role = {"RoleName": template["provisioningRoleArn"].rpartition("/")[2]}
    given = iam.get_role_policy(**role, PolicyName="Provisioning")["PolicyDocument"]
    fewer = [one for one in given["Statement"] if one["Sid"] != statement]
    put = {**role, "PolicyName": "Provisioning"}
    name = a_name()
    iam.put_role_policy(**put, PolicyDocument=json.dumps({**given, "Statement": fewer}))
    try:
        with (
            connected(cloud, claim) as connection,
            pytest.raises(ProvisioningError, match="AccessDenied"),
        ):
            provision(connection, name)
    finally:
        iam.put_role_policy(**put, PolicyDocument=json.dumps(given))
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=f"{name}_Core")
    with connected(cloud, claim) as connection:
        provision(connection, name)


@pytest.mark.parametrize("action", ["iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe"])
def test_claim_needs_each_of_its_permissions(
    cloud: LocalCloud, claim: Certificate, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "_REPLY_SECONDS", 1.0)  # of a reply that is not delivered
    iot, policy = cloud.client("iot"), names.claim_policy_name(FLEET)
    found = iot.get_policy(policyName=policy)
    document = json.loads(found["policyDocument"])
    document["Statement"] = [one for one in document["Statement"] if one["Action"] != [action]]
    version = iot.create_policy_version(
        policyName=policy, policyDocument=json.dumps(document), setAsDefault=True
    )["policyVersionId"]
    address = Address(cloud.mqtt_host, cloud.mqtt_port)
    try:
        with MqttConnection(address, CLIENT_ID, tls_context(claim)) as connection:
            if connection.wait_until_connected(1):
                with pytest.raises(ProvisioningError):
                    created(connection)
            else:
                assert action == "iot:Connect"
    finally:
        iot.set_default_policy_version(policyName=policy, policyVersionId=found["defaultVersionId"])
        iot.delete_policy_version(policyName=policy, policyVersionId=version)
