"""Calls are decided by the policies as deployed, worded as on AWS, and logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import FILE, Decision, read_decisions
from tests.cloud.roles import ACCOUNT, Role, Statement, allow, policy, refusal

Call = Callable[[Role], object]


@pytest.fixture(scope="module")
def bucket(cloud: LocalCloud) -> str:
    """A bucket with an object ``kept``."""
    cloud.create_bucket("decided")
    cloud.client("s3").put_object(Bucket="decided", Key="kept", Body=b"content")
    return "decided"


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
