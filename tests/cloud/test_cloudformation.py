"""AWS::EC2::Instance by our own handler, and custom resources that run for real."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from tests.cloud.support import StackError, Stacks

_IMAGES = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-"
_FUNCTION = """
import json, urllib.request
import boto3

def handler(event, context):
    data = {"Account": boto3.client("sts").get_caller_identity()["Account"]}
    if event["RequestType"] == "Delete":
        boto3.client("greengrass").reset_deployments(
            GroupId=event["ResourceProperties"]["GroupId"], Force=True)
    else:
        data["Groups"] = len(boto3.client("greengrass").list_groups()["Groups"])
    reply = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    reply.update(Status="SUCCESS", PhysicalResourceId="reset", Data=data)
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
            "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}


def _instance_template(**changes: Any) -> dict[str, Any]:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}}
    instance = {
        "Type": "AWS::EC2::Instance",
        "CreationPolicy": {"ResourceSignal": {"Count": 1, "Timeout": "PT15M"}},
        "Properties": {
            "ImageId": {"Ref": "Image"},
            "InstanceType": "t4g.small",
            "IamInstanceProfile": {"Ref": "Profile"},
            "UserData": base64.b64encode(b"#!/bin/bash\n").decode(),
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": "16", "Encrypted": "true"}}
            ],
            "MetadataOptions": {"HttpTokens": "required"},
            "NetworkInterfaces": [
                {
                    "DeviceIndex": "0",
                    "AssociatePublicIpAddress": True,
                    "GroupSet": [{"Fn::GetAtt": ["Group", "GroupId"]}],
                    "SubnetId": {"Ref": "Subnet"},
                }
            ],
            "Tags": [{"Key": "Name", "Value": "simulator"}],
            **changes,
        },
    }
    return {
        "Parameters": {
            "Image": {
                "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
                "Default": f"{_IMAGES}arm64",
            }
        },
        "Resources": {
            "Role": role,
            "Profile": {
                "Type": "AWS::IAM::InstanceProfile",
                "Properties": {"Roles": [{"Ref": "Role"}]},
            },
            "Network": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Network"}, "CidrBlock": "10.0.0.0/24"},
            },
            "Group": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {"GroupDescription": "g", "VpcId": {"Ref": "Network"}},
            },
            "Instance": instance,
        },
    }


def _instance(cloud: LocalCloud, identity: str) -> dict[str, Any]:
    reply = cloud.client("ec2").describe_instances(InstanceIds=[identity])
    found: dict[str, Any] = reply["Reservations"][0]["Instances"][0]
    return found


def test_instance_by_our_handler_is_created_tagged_replaced_and_deleted(
    cloud: LocalCloud, stacks: Stacks, stack: str
) -> None:
    stacks.deploy_template(stack, _instance_template())
    first = stacks.resource(stack, "Instance")
    found = _instance(cloud, first)
    assert (found["InstanceType"], found["State"]["Name"]) == ("t4g.small", "running")
    assert found["ImageId"].startswith("ami-")

    stacks.deploy_template(stack, _instance_template(Tags=[{"Key": "Name", "Value": "new"}]))
    assert stacks.resource(stack, "Instance") == first
    assert _instance(cloud, first)["Tags"] == [{"Key": "Name", "Value": "new"}]

    stacks.deploy_template(stack, _instance_template(InstanceType="t4g.medium"))
    second = stacks.resource(stack, "Instance")
    assert second != first
    assert _instance(cloud, first)["State"]["Name"] == "terminated"
    stacks.delete(stack)
    assert _instance(cloud, second)["State"]["Name"] == "terminated"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"InstanceType": "huge"}, "InstanceType is 'huge'"),
        ({"ImageId": None}, "ImageId is required"),
        ({"Colour": "red"}, "Colour is not known"),
        ({"MetadataOptions": {"HttpTokens": "yes"}}, "MetadataOptions.HttpTokens is 'yes'"),
    ],
)
def test_instance_that_aws_would_refuse_is_refused_by_our_handler(
    stacks: Stacks, stack: str, changes: dict[str, Any], reason: str
) -> None:
    template = _instance_template(**changes)
    properties = template["Resources"]["Instance"]["Properties"]
    kept = {key: value for key, value in properties.items() if value is not None}
    template["Resources"]["Instance"]["Properties"] = kept
    with pytest.raises(StackError, match=reason):
        stacks.deploy_template(stack, template)


def test_both_architectures_have_an_image(cloud: LocalCloud) -> None:
    ssm = cloud.client("ssm")
    images = {
        ssm.get_parameter(Name=_IMAGES + name)["Parameter"]["Value"] for name in ("arm64", "x86_64")
    }
    assert len(images) == 2


def test_python_function_of_a_custom_resource_finds_boto3_and_the_cloud(
    cloud: LocalCloud, stacks: Stacks, stack: str
) -> None:
    greengrass = cloud.client("greengrass")
    statement = {"Effect": "Allow", "Action": "greengrass:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _TRUST,
                "Policies": [{"PolicyName": "groups", "PolicyDocument": document}],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": _FUNCTION},
                "Timeout": 30,
            },
        },
        "Group": {"Type": "AWS::Greengrass::Group", "Properties": {"Name": "g"}},
        "Reset": {
            "Type": "Custom::ResetDeployments",
            "Properties": {
                "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                "GroupId": {"Ref": "Group"},
            },
        },
    }
    outputs = {key: {"Fn::GetAtt": ["Reset", key]} for key in ("Account", "Groups")}
    stacks.deploy(stack, resources, outputs)
    assert stacks.outputs(stack) == {"Account": "000000000000", "Groups": "1"}
    group = stacks.resource(stack, "Group")
    core = greengrass.create_core_definition(
        Name="c",
        InitialVersion={
            "Cores": [
                {
                    "Id": "core",
                    "ThingArn": "arn:aws:iot:us-east-1:000000000000:thing/t",
                    "CertificateArn": f"arn:aws:iot:us-east-1:000000000000:cert/{'0' * 64}",
                }
            ]
        },
    )
    version = greengrass.create_group_version(
        GroupId=group, CoreDefinitionVersionArn=core["LatestVersionArn"]
    )["Version"]
    greengrass.create_deployment(
        GroupId=group, GroupVersionId=version, DeploymentType="NewDeployment"
    )
    greengrass.delete_core_definition(CoreDefinitionId=core["Id"])
    stacks.delete(stack)
    assert group not in [g["Id"] for g in greengrass.list_groups()["Groups"]]


def test_type_that_nobody_serves_is_refused(stacks: Stacks, stack: str) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::Nobody::Here\]"):
        stacks.deploy(stack, {"A": {"Type": "AWS::Nobody::Here"}})


@pytest.mark.parametrize("way", ["update", "change set"])
def test_resource_of_another_type_is_refused(
    cloud: LocalCloud, stacks: Stacks, stack: str, way: str
) -> None:
    """As V2 over the stack of V1: its group and the thing group have one logical id."""
    from botocore.exceptions import ClientError

    def template(kind: str, key: str) -> str:
        return json.dumps({"Resources": {"Group": {"Type": kind, "Properties": {key: stack}}}})

    client = cloud.client("cloudformation")
    stacks.deploy(stack, json.loads(template("AWS::IoT::Thing", "ThingName"))["Resources"])
    other = {
        "StackName": stack,
        "TemplateBody": template("AWS::IoT::ThingGroup", "ThingGroupName"),
    }
    refused = r"Update of resource type is not permitted.*\[Group\]"
    with pytest.raises(ClientError, match=refused):
        if way == "update":
            client.update_stack(**other)
        else:
            client.create_change_set(ChangeSetName="c", ChangeSetType="UPDATE", **other)
    stacks.delete(stack)
    things = [one["thingName"] for one in cloud.client("iot").list_things()["things"]]
    assert stack not in things


def test_rule_whose_name_is_taken_is_refused(cloud: LocalCloud, stacks: Stacks, stack: str) -> None:
    name = stack.replace("-", "_")
    rule = {"sql": "SELECT * FROM 'a'", "actions": []}
    cloud.client("iot").create_topic_rule(ruleName=name, topicRulePayload=rule)
    payload = {"Sql": "SELECT * FROM 'b'", "Actions": []}
    properties = {"RuleName": name, "TopicRulePayload": payload}
    with pytest.raises(StackError, match=f"the topic rule {name} already exists"):
        stacks.deploy(stack, {"Rule": {"Type": "AWS::IoT::TopicRule", "Properties": properties}})
    assert cloud.client("iot").get_topic_rule(ruleName=name)["rule"]["sql"] == rule["sql"]
    cloud.client("iot").delete_topic_rule(ruleName=name)


def test_permission_on_a_missing_function_is_refused(stacks: Stacks, stack: str) -> None:
    function = "arn:aws:lambda:us-east-1:000000000000:function:missing"
    properties = {
        "FunctionName": function,
        "Action": "lambda:InvokeFunction",
        "Principal": "iot.amazonaws.com",
    }
    with pytest.raises(StackError, match="missing"):
        stacks.deploy(
            stack, {"Permission": {"Type": "AWS::Lambda::Permission", "Properties": properties}}
        )
