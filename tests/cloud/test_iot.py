"""Certificates at work: the broker and the credential provider, role alias by our own handlers."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from tests.cloud.support import Device, MqttClient, StackError, Stacks, client_with, is_published
from tests.waiting import eventually

TOPIC = "mli/predictions/Test"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def _role(service: str) -> dict[str, object]:
    statement = {**TRUST["Statement"][0], "Principal": {"Service": service}}  # type: ignore[dict-item]
    document = {**TRUST, "Statement": [statement]}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}


def _alias(name: str, role: str, **properties: object) -> dict[str, object]:
    arn = {"Fn::GetAtt": [role, "Arn"]}
    return {
        "Type": "AWS::IoT::RoleAlias",
        "Properties": {"RoleAlias": name, "RoleArn": arn, **properties},
    }


def test_describe_endpoint_returns_our_listeners(cloud: LocalCloud) -> None:
    iot = cloud.client("iot")
    data = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    credentials = iot.describe_endpoint(endpointType="iot:CredentialProvider")["endpointAddress"]
    assert data == f"{cloud.mqtt_host}:{cloud.mqtt_port}"
    assert credentials == cloud.credential_endpoint


def test_broker_delivers_between_a_device_and_the_cloud(cloud: LocalCloud, device: Device) -> None:
    device.allow("iot:Connect", f"client/{device.thing}")
    device.allow("iot:Subscribe", "topicfilter/mli/*")
    device.allow("iot:Receive", "topic/mli/*")
    device.allow("iot:Publish", f"topic/{TOPIC}")
    with MqttClient(device) as client:
        eventually(lambda: client.connected)
        client.subscribe("mli/#")
        eventually(lambda: client.granted)
        client.publish(TOPIC, b"by the device").wait_for_publish(5)
        cloud.client("iot-data").publish(topic="mli/order", qos=1, payload=b"by the cloud")
        eventually(lambda: len(client.messages) == 2)
    assert set(client.messages) == {(TOPIC, b"by the device"), ("mli/order", b"by the cloud")}


def test_broker_refuses_an_inactive_certificate(cloud: LocalCloud) -> None:
    device = Device.registered(cloud, active=False)
    device.allow("iot:Connect", "client/*")
    with MqttClient(device) as client:
        eventually(lambda: client.failed)  # AWS answers nothing either
    assert not client.connected


def _is_refused(cloud: LocalCloud, context: ssl.SSLContext) -> bool:
    """Return whether the broker ends the connection; one that it takes would be quiet."""
    address = (cloud.mqtt_host, cloud.mqtt_port)
    try:
        with (
            socket.create_connection(address, timeout=3) as raw,
            context.wrap_socket(raw, server_hostname=cloud.mqtt_host) as tls,
        ):
            return tls.recv(1) == b""  # in TLS 1.3 a client learns of it when it reads
    except TimeoutError:
        return False
    except (ssl.SSLError, ConnectionResetError):
        return True


def test_broker_refuses_a_certificate_of_another_cloud(cloud: LocalCloud, device: Device) -> None:
    with LocalCloud() as other:
        stranger = Device.registered(other)
        context = ssl.create_default_context(cafile=str(cloud.ca_path))
        context.load_cert_chain(stranger.certificate, stranger.key)
        assert _is_refused(cloud, context)
    device.allow("iot:Connect", f"client/{device.thing}")
    with MqttClient(device) as client:
        eventually(lambda: client.connected == ["Success"])


def test_broker_refuses_a_client_without_certificate(cloud: LocalCloud) -> None:
    assert _is_refused(cloud, ssl.create_default_context(cafile=str(cloud.ca_path)))


def test_policy_without_connect_keeps_a_device_out(device: Device) -> None:
    device.allow("iot:Connect", "client/somebody-else")
    with MqttClient(device) as client:
        eventually(lambda: client.failed)
    assert "Success" not in client.connected


@pytest.mark.parametrize(
    ("resource", "topic", "is_allowed"),
    [
        ("topic/mli/a", "mli/a", True),
        ("topic/mli/a", "mli/b", False),
        ("topic/mli/*", "mli/b/c", True),
        ("topic/mli/?", "mli/b", True),
        ("topic/mli/?", "mli/bc", False),
    ],
)
def test_policy_decides_on_each_topic_published(
    device: Device, resource: str, topic: str, is_allowed: bool
) -> None:
    device.allow("iot:Connect", f"client/{device.thing}")
    device.allow("iot:Publish", resource)
    with MqttClient(device) as client:
        eventually(lambda: client.connected)
        sent = client.publish(topic, b"x")
        eventually(lambda: is_published(sent) or client.failed)
        assert is_published(sent) is is_allowed


def test_role_alias_by_our_handler_is_created_updated_and_deleted(
    cloud: LocalCloud, stacks: Stacks, stack: str
) -> None:
    iot = cloud.client("iot")
    name = f"{stack}-alias"
    resources = {"Role": _role("credentials.iot.amazonaws.com"), "Alias": _alias(name, "Role")}
    arn = {"Arn": {"Fn::GetAtt": ["Alias", "RoleAliasArn"]}, "Name": {"Ref": "Alias"}}
    stacks.deploy(stack, resources, arn)
    expected = f"arn:aws:iot:us-east-1:000000000000:rolealias/{name}"
    assert stacks.outputs(stack) == {"Arn": expected, "Name": name}
    assert (
        iot.describe_role_alias(roleAlias=name)["roleAliasDescription"]["credentialDurationSeconds"]
        == 3600
    )

    resources["Alias"] = _alias(name, "Role", CredentialDurationSeconds="900")
    stacks.deploy(stack, resources, arn)
    found = iot.describe_role_alias(roleAlias=name)["roleAliasDescription"]
    assert found["credentialDurationSeconds"] == 900

    stacks.delete(stack)
    assert name not in iot.list_role_aliases()["roleAliases"]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"CredentialDurationSeconds": 60}, "less than 900"),
        ({"RoleAlias": "with space"}, "does not match"),
        ({"Duration": 900}, "Duration is not known"),
    ],
)
def test_role_alias_by_our_handler_is_refused(
    stacks: Stacks, stack: str, properties: dict[str, object], reason: str
) -> None:
    resources = {
        "Role": _role("credentials.iot.amazonaws.com"),
        "Alias": _alias("a", "Role", **properties),
    }
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, resources)


@pytest.fixture
def alias(stacks: Stacks, stack: str) -> Iterator[str]:
    """A role alias that the credential provider may use."""
    resources = {"Role": _role("credentials.iot.amazonaws.com"), "Alias": _alias(stack, "Role")}
    stacks.deploy(stack, resources)
    yield stack


def test_credentials_for_a_certificate_work(cloud: LocalCloud, device: Device, alias: str) -> None:
    device.allow("iot:AssumeRoleWithCertificate", f"rolealias/{alias}")
    status, content = device.get_credentials(alias, {"x-amzn-iot-thingname": device.thing})
    assert status == 200
    given = content["credentials"]
    expires = datetime.datetime.fromisoformat(given["expiration"])
    assert 3500 < (expires - datetime.datetime.now(datetime.UTC)).total_seconds() <= 3600
    identity = client_with(cloud, "sts", given).get_caller_identity()
    assert identity["Account"] == "000000000000"
    assert f":assumed-role/{alias}-Role" in identity["Arn"]


def test_credentials_are_refused_without_leave_on_this_alias(device: Device, alias: str) -> None:
    device.allow("iot:AssumeRoleWithCertificate", "rolealias/another")
    assert device.get_credentials(alias, {})[0] == 403


def test_credentials_are_refused_to_an_inactive_certificate(
    cloud: LocalCloud, device: Device, alias: str
) -> None:
    device.allow("iot:AssumeRoleWithCertificate", f"rolealias/{alias}")
    cloud.client("iot").update_certificate(
        certificateId=device.certificate_id, newStatus="INACTIVE"
    )
    assert device.get_credentials(alias, {})[0] == 403


def test_credentials_are_refused_for_the_thing_of_another(device: Device, alias: str) -> None:
    device.allow("iot:AssumeRoleWithCertificate", f"rolealias/{alias}")
    status, content = device.get_credentials(alias, {"x-amzn-iot-thingname": "somebody"})
    assert (status, "Invalid thing name" in content["message"]) == (400, True)


def test_credentials_of_an_unknown_alias_are_not_found(device: Device) -> None:
    device.allow("iot:AssumeRoleWithCertificate", "rolealias/*")
    assert device.get_credentials("unknown", {})[0] == 404


def test_credentials_need_a_role_that_trusts_the_provider(
    stacks: Stacks, stack: str, device: Device
) -> None:
    stacks.deploy(stack, {"Role": _role("lambda.amazonaws.com"), "Alias": _alias(stack, "Role")})
    device.allow("iot:AssumeRoleWithCertificate", f"rolealias/{stack}")
    status, content = device.get_credentials(stack, {})
    assert (status, "does not trust" in content["message"]) == (403, True)


def test_role_alias_that_exists_is_refused_by_the_api(cloud: LocalCloud, alias: str) -> None:
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        cloud.client("iot").create_role_alias(
            roleAlias=alias, roleArn="arn:aws:iam::000000000000:role/r"
        )
