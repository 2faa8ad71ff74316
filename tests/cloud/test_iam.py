"""Calls are decided by the policies as deployed, worded as on AWS, and logged."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import FILE, Decision, read_decisions
from tests.cloud.support import Device, MqttClient, StackError, Stacks
from tests.waiting import eventually

Statement = Mapping[str, Any]
Call = Callable[["Role"], object]

ACCOUNT = "000000000000"
SESSION = "session"


def policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action: str | list[str], resource: str | list[str], **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


class Role:
    """A role with one policy, and clients of its session."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.name = f"role-{uuid.uuid4().hex[:8]}"
        self.arn = f"arn:aws:iam::{ACCOUNT}:role/{self.name}"
        self.principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/{SESSION}"
        self._cloud = cloud
        self._iam = cloud.client("iam")
        trusted = {"AWS": ACCOUNT, "Service": "cloudformation.amazonaws.com"}
        trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
        self._iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=policy(trust))
        sts = cloud.client("sts")
        self._given = sts.assume_role(RoleArn=self.arn, RoleSessionName=SESSION)["Credentials"]

    def may(self, *statements: Statement) -> None:
        """Replace the policy."""
        self._iam.put_role_policy(
            RoleName=self.name, PolicyName="inline", PolicyDocument=policy(*statements)
        )

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._cloud.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self._given["AccessKeyId"],
            aws_secret_access_key=self._given["SecretAccessKey"],
            aws_session_token=self._given["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def decisions(self) -> list[Decision]:
        found = read_decisions(self._cloud.data / FILE)
        return [one for one in found if one.principal == self.principal]


@pytest.fixture
def role(cloud: LocalCloud) -> Role:
    return Role(cloud)


@pytest.fixture(scope="module")
def bucket(cloud: LocalCloud) -> str:
    """A bucket with an object ``kept``."""
    cloud.create_bucket("decided")
    cloud.client("s3").put_object(Bucket="decided", Key="kept", Body=b"content")
    return "decided"


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """Return code and message with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


WORDED: Mapping[str, tuple[Call, str, str, str]] = {
    "s3, XML": (
        lambda role: role.client("s3").put_object(Bucket="decided", Key="new", Body=b""),
        "AccessDenied",
        "s3:PutObject",
        '"arn:aws:s3:::decided/new"',
    ),
    "greengrass, JSON of ours": (
        lambda role: role.client("greengrassv2").get_core_device(coreDeviceThingName="a"),
        "AccessDeniedException",
        "greengrass:GetCoreDevice",
        f"arn:aws:greengrass:us-east-1:{ACCOUNT}:coreDevices:a",
    ),
    "iot, JSON": (
        lambda role: role.client("iot").describe_thing(thingName="a"),
        "AccessDeniedException",
        "iot:DescribeThing",
        f"arn:aws:iot:us-east-1:{ACCOUNT}:thing/a",
    ),
    "logs, JSON with a target": (
        lambda role: role.client("logs").create_log_group(logGroupName="a"),
        "AccessDeniedException",
        "logs:CreateLogGroup",
        f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:a",
    ),
    "iam, query": (
        lambda role: role.client("iam").get_role(RoleName="a"),
        "AccessDenied",
        "iam:GetRole",
        f"arn:aws:iam::{ACCOUNT}:role/a",
    ),
    "ec2, query of its own": (
        lambda role: role.client("ec2").describe_vpcs(),
        "UnauthorizedOperation",
        "ec2:DescribeVpcs",
        "*",
    ),
    "cloudformation, passing a role": (
        lambda role: role.client("cloudformation").create_stack(
            StackName="a", TemplateBody="{}", RoleARN=f"arn:aws:iam::{ACCOUNT}:role/a"
        ),
        "AccessDenied",
        "iam:PassRole",
        f"arn:aws:iam::{ACCOUNT}:role/a",
    ),
}


@pytest.mark.parametrize("name", WORDED)
def test_refusal_is_worded_as_on_aws_and_logged(role: Role, bucket: str, name: str) -> None:
    call, code, action, resource = WORDED[name]
    message = (
        f"User: {role.principal} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    assert refusal(lambda: call(role)) == (code, message)
    denied = Decision(role.principal, action, resource.strip('"'), "deny")
    assert role.decisions() == [denied]


def test_permission_is_logged_with_its_statement(role: Role, bucket: str) -> None:
    role.may(
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Sid="Read"),
    )
    s3 = role.client("s3")
    s3.list_objects_v2(Bucket=bucket)
    s3.head_object(Bucket=bucket, Key="kept")
    assert role.decisions() == [
        Decision(role.principal, "s3:ListBucket", f"arn:aws:s3:::{bucket}", "allow", "inline[0]"),
        Decision(
            role.principal, "s3:GetObject", f"arn:aws:s3:::{bucket}/kept", "allow", "inline[Read]"
        ),
    ]


READ, WRITE = "s3:GetObject", "s3:PutObject"
DECIDED: Mapping[str, tuple[list[Statement], bool]] = {
    "wildcards in action and resource": ([allow("s3:Get*", "arn:aws:s3:::dec?ded/k*")], True),
    "another resource": ([allow(READ, "arn:aws:s3:::decided/other")], False),
    "case of the resource": ([allow(READ, "arn:aws:s3:::decided/Kept")], False),
    "case of the action": ([allow("S3:getobject", "*")], True),
    "everything but": (
        [{"Effect": "Allow", "NotAction": WRITE, "NotResource": "arn:aws:s3:::a/*"}],
        True,
    ),
    "but this": ([{"Effect": "Allow", "NotAction": READ, "Resource": "*"}], False),
    "denied in spite of an allowance": (
        [allow(READ, "*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*/kept"}],
        False,
    ),
    "over TLS": ([allow(READ, "*", Condition={"Bool": {"aws:SecureTransport": "true"}})], True),
    "StringEquals": (
        [allow(READ, "*", Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}})],
        True,
    ),
    "StringLike": (
        [allow(READ, "*", Condition={"StringLike": {"aws:PrincipalArn": "*/other-*"}})],
        False,
    ),
    "ArnLike": (
        [
            allow(
                READ, "*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:sts::{ACCOUNT}:*"}}
            )
        ],
        True,
    ),
    "a variable": ([allow(READ, "arn:aws:s3:::${aws:PrincipalTag/bucket, 'decided'}/*")], True),
    "a variable without a value": ([allow(READ, "arn:aws:s3:::${aws:username}*")], False),
    "a variable in a condition": (
        [allow(READ, "*", Condition={"StringEquals": {"aws:userid": "${aws:userid}"}})],
        True,
    ),
}


@pytest.mark.parametrize("name", DECIDED)
def test_statement_decides(role: Role, bucket: str, name: str) -> None:
    statements, is_allowed = DECIDED[name]
    role.may(*statements)
    get = role.client("s3").get_object
    if is_allowed:
        assert get(Bucket=bucket, Key="kept")["Body"].read() == b"content"
    else:
        assert refusal(lambda: get(Bucket=bucket, Key="kept"))[0] == "AccessDenied"


def test_changed_policy_decides_at_once(role: Role, bucket: str) -> None:
    get = role.client("s3").get_object
    for resource, is_allowed in (("*", True), ("arn:aws:s3:::other/*", False), ("*", True)):
        role.may(allow("s3:GetObject", resource))
        if is_allowed:
            get(Bucket=bucket, Key="kept")
        else:
            refusal(lambda: get(Bucket=bucket, Key="kept"))


def test_bucket_that_takes_tls_only_denies_the_rest(cloud: LocalCloud, role: Role) -> None:
    cloud.create_bucket("tls-only")
    everything = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": "*"}
    old = {"NumericLessThan": {"s3:TlsVersion": 1.2}}
    cloud.client("s3").put_bucket_policy(
        Bucket="tls-only",
        Policy=policy(
            {**everything, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {**everything, "Condition": old},
        ),
    )
    role.may(allow("s3:*", "*"))
    s3 = role.client("s3")
    s3.put_object(Bucket="tls-only", Key="a", Body=b"")

    def plain(request: Any, **context: Any) -> None:
        request.headers["X-Forwarded-Proto"] = "http"

    s3.meta.events.register("before-send.s3", plain)
    code, message = refusal(lambda: s3.put_object(Bucket="tls-only", Key="a", Body=b""))
    assert (code, "explicit deny in a resource-based policy" in message) == ("AccessDenied", True)


def test_root_user_may_do_everything_and_is_not_logged(cloud: LocalCloud) -> None:
    before = len(list(read_decisions(cloud.data / FILE)))
    cloud.client("iam").list_roles()
    cloud.client("greengrassv2").list_components()
    assert len(list(read_decisions(cloud.data / FILE))) == before


@pytest.mark.parametrize("service", ["greengrassv2", "iam", "s3"])
def test_unknown_key_is_refused(cloud: LocalCloud, service: str) -> None:
    client = boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="any",
    )
    call = {"greengrassv2": "list_components", "iam": "list_roles", "s3": "list_buckets"}[service]
    code, _ = refusal(getattr(client, call))
    assert code in ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException")


def test_forged_signature_is_refused(role: Role) -> None:
    role.may(allow("*", "*"))
    role.client("greengrassv2").list_components()
    role._given = {**role._given, "SecretAccessKey": "forged"}
    assert "Signature" in refusal(role.client("greengrassv2").list_components)[0]


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
        s3 = boto3.client(
            "s3",
            endpoint_url=cloud.endpoint,
            region_name="us-east-1",
            aws_access_key_id=given["accessKeyId"],
            aws_secret_access_key=given["secretAccessKey"],
            aws_session_token=given["sessionToken"],
        )
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


def test_stack_acts_as_the_role_that_it_is_given(
    cloud: LocalCloud, role: Role, stack: str, stacks: Stacks
) -> None:
    thing = f"arn:aws:iot:us-east-1:{ACCOUNT}:thing/{stack}"
    template = {"Thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": stack}}}
    cloudformation = cloud.client("cloudformation")

    def create() -> str | None:
        body = json.dumps({"Resources": template})
        cloudformation.create_stack(StackName=stack, TemplateBody=body, RoleARN=role.arn)
        eventually(lambda: not str(stacks.status(stack)).endswith("IN_PROGRESS"))
        return stacks.status(stack)

    role.may(allow("iot:*Describe*", "*"))
    assert create() == "ROLLBACK_COMPLETE"
    [reason] = [reason for reason in stacks.reasons(stack) if "authorized" in reason]
    acting = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/AWSCloudFormation"
    assert f"User: {acting} is not authorized to perform: iot:CreateThing on resource: {thing}" in (
        reason
    )
    cloudformation.delete_stack(StackName=stack)
    eventually(lambda: stacks.status(stack) is None)

    role.may(allow(["iot:CreateThing", "iot:DescribeThing"], thing))
    assert create() == "CREATE_COMPLETE"
    with pytest.raises(StackError, match="iot:DeleteThing"):
        stacks.delete(stack)
    role.may(allow(["iot:DescribeThing", "iot:DeleteThing"], thing))


def test_stack_without_a_role_acts_as_its_caller(
    cloud: LocalCloud, role: Role, stack: str, stacks: Stacks
) -> None:
    role.may(allow("cloudformation:*", "*"))
    template = {"Thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": stack}}}
    body = json.dumps({"Resources": template})
    role.client("cloudformation").create_stack(StackName=stack, TemplateBody=body)
    eventually(lambda: stacks.status(stack) == "ROLLBACK_COMPLETE")
    assert f"{role.principal} is not authorized" in "".join(stacks.reasons(stack))


def test_resource_whose_needs_are_unknown_is_logged(
    cloud: LocalCloud, role: Role, stack: str, stacks: Stacks
) -> None:
    role.may(allow("cloudformation:*", "*"))
    template = {"Queue": {"Type": "AWS::SQS::Queue"}}
    body = json.dumps({"Resources": template})
    role.client("cloudformation").create_stack(StackName=stack, TemplateBody=body)
    eventually(lambda: stacks.status(stack) == "CREATE_COMPLETE")
    unchecked = Decision(role.principal, "cloudformation:create", "AWS::SQS::Queue", "unchecked")
    assert unchecked in role.decisions()


def test_context_of_a_device_needs_its_key(cloud: LocalCloud, device: Device) -> None:
    """The endpoint of devices takes no request without a certificate."""
    context = ssl.create_default_context(cafile=str(cloud.ca_path))
    url = f"https://{cloud.credential_endpoint}/greengrass/v2/resolveComponentCandidates"
    with pytest.raises(OSError):
        urllib.request.urlopen(url, data=b"{}", context=context, timeout=10)
