"""What a device may do by its certificate, and with the credentials that it gets."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import FILE, Decision, read_decisions
from tests.cloud.roles import ACCOUNT, allow, policy, refusal
from tests.cloud.support import Device, MqttClient, Stacks, client_with
from tests.waiting import eventually


def test_samples_go_below_the_name_of_the_thing(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device
) -> None:
    cloud.create_bucket(stack)
    written = allow("s3:PutObject", f"arn:aws:s3:::{stack}/${{credentials-iot:ThingName}}/*")
    stacks.deploy(
        stack,
        {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": json.loads(
                        policy(
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "credentials.iot.amazonaws.com"},
                                "Action": "sts:AssumeRole",
                            }
                        )
                    ),
                    "Policies": [
                        {"PolicyName": "p", "PolicyDocument": json.loads(policy(written))}
                    ],
                },
            },
            "Alias": {
                "Type": "AWS::IoT::RoleAlias",
                "Properties": {"RoleAlias": stack, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
            },
        },
    )
    device.allow("iot:AssumeRoleWithCertificate", f"rolealias/{stack}")

    def put(key: str, headers: Mapping[str, str]) -> object:
        given = device.get_credentials(stack, headers)[1]["credentials"]
        s3 = client_with(cloud, "s3", given)
        return s3.put_object(Bucket=stack, Key=key, Body=b"")

    named = {"x-amzn-iot-thingname": device.thing}
    put(f"{device.thing}/a.jpg", named)
    assert refusal(lambda: put("another_Core/a.jpg", named))[0] == "AccessDenied"
    assert refusal(lambda: put(f"{device.thing}/a.jpg", {}))[0] == "AccessDenied"


def data_plane(device: Device, path: str, body: bytes | None = None) -> int:
    """Return the status of a request with the device's certificate."""
    url = f"https://{device.cloud.credential_endpoint}{path}"
    request = urllib.request.Request(url, data=body)
    try:
        with urllib.request.urlopen(request, context=device.tls(), timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_data_plane_of_greengrass_takes_the_certificates_policies(
    cloud: LocalCloud, device: Device
) -> None:
    groups = f"/greengrass/v2/coreDevices/{device.thing}/thingGroups"
    resolve = "/greengrass/v2/resolveComponentCandidates"
    assert (data_plane(device, groups), data_plane(device, resolve, b"{}")) == (403, 200)
    iot = cloud.client("iot")
    statement = allow("greengrass:ListThingGroupsForCoreDevice", "*")
    iot.create_policy(policyName=device.thing, policyDocument=policy(statement))
    iot.attach_policy(policyName=device.thing, target=device.certificate_arn)
    assert data_plane(device, groups) == 200
    assert data_plane(device, "/greengrass/v2/coreDevices/another/thingGroups") == 403
    wanted = {"componentName": "aws.greengrass.Nucleus", "componentVersion": "2.16.0"}
    body = json.dumps({"componentCandidates": [wanted]}).encode()
    assert data_plane(device, resolve, body) == 403
    iot.update_certificate(certificateId=device.certificate_id, newStatus="INACTIVE")
    assert data_plane(device, groups) == 403


def test_decisions_on_certificates_are_in_the_same_log(cloud: LocalCloud, device: Device) -> None:
    device.allow("iot:Connect", "client/*")
    with MqttClient(device) as client:
        eventually(lambda: client.connected == ["Success"])
        client.publish("secret/topic", b"")
        eventually(lambda: client.failed)
    principal = device.certificate_arn
    found = [one for one in read_decisions(cloud.data / FILE) if one.principal == principal]
    region = f"arn:aws:iot:us-east-1:{ACCOUNT}"
    assert found[0].resource == f"{region}:client/{device.thing}"
    assert (found[0].decision, found[0].statement.endswith("[0]")) == ("allow", True)
    denied = Decision(principal, "iot:Publish", f"{region}:topic/secret/topic", "deny")
    assert denied in found


def test_context_of_a_device_needs_its_key(cloud: LocalCloud, device: Device) -> None:
    """The endpoint of devices takes no request without a certificate."""
    context = ssl.create_default_context(cafile=str(cloud.ca_path))
    url = f"https://{cloud.credential_endpoint}/greengrass/v2/resolveComponentCandidates"
    with pytest.raises(OSError):
        urllib.request.urlopen(url, data=b"{}", context=context, timeout=10)
