"""A stack with a resource that cannot be deleted keeps what that resource needs, as on AWS."""

from __future__ import annotations

import uuid

import pytest
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from tests.cloud.support import StackError, Stacks

_GUARD = """
import json, urllib.request
import boto3

def handler(event, context):
    reply = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    reply.update(Status="SUCCESS", PhysicalResourceId="guard")
    if event["RequestType"] == "Delete":
        things = boto3.client("iot").list_things()["things"]
        if event["ResourceProperties"]["Thing"] in [thing["thingName"] for thing in things]:
            reply.update(Status="FAILED", Reason="the thing is still there")
    body = json.dumps(reply).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT")
    request.add_header("content-type", "")
    urllib.request.urlopen(request)
"""
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_LIST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"}],
}


def _groups(cloud: LocalCloud) -> set[str]:
    return {one["groupName"] for one in cloud.client("iot").list_thing_groups()["thingGroups"]}


def test_resource_that_stays_keeps_what_it_depends_on_and_nothing_else(cloud: LocalCloud) -> None:
    stacks, iot = Stacks(cloud), cloud.client("iot")
    stack = f"deletion-{uuid.uuid4().hex[:8]}"
    needed, other, thing = (f"{word}-{stack}" for word in ("needed", "other", "thing"))
    iot.create_thing(thingName=thing)
    stacks.deploy(
        stack,
        {
            "Needed": {"Type": "AWS::IoT::ThingGroup", "Properties": {"ThingGroupName": needed}},
            "Other": {"Type": "AWS::IoT::ThingGroup", "Properties": {"ThingGroupName": other}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": _TRUST,
                    "Policies": [{"PolicyName": "List", "PolicyDocument": _LIST}],
                },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": _GUARD},
                    "Timeout": 30,
                },
            },
            "Guard": {
                "Type": "Custom::Guard",
                "Properties": {
                    "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                    "Thing": thing,
                },
                "DependsOn": "Needed",
            },
        },
    )
    with pytest.raises(StackError) as refused:
        stacks.delete(stack)
    assert "the thing is still there" in str(refused.value)
    assert "it is needed by Guard, which was not deleted" in str(refused.value)
    assert needed in _groups(cloud)
    assert other not in _groups(cloud)
    cloudformation = cloud.client("cloudformation")
    update = {"StackName": stack, "UsePreviousTemplate": True}
    with pytest.raises(ClientError, match="is in DELETE_FAILED state and can not be updated"):
        cloudformation.update_stack(**update)
    with pytest.raises(ClientError, match="is in DELETE_FAILED state and can not be updated"):
        cloudformation.create_change_set(**update, ChangeSetName="update")
    iot.delete_thing(thingName=thing)
    stacks.delete(stack)
    assert needed not in _groups(cloud)
