"""What CloudFormation needs to create, update and delete resources, as the role of a stack.

CloudFormation calls the services as the role that ``cdk bootstrap`` makes for it. This module lists
those calls by resource type: those that the types' published schemas name as permissions and that
our templates cause. Types of which ministack makes the resources are in ``_TYPES``; the others go
through their own APIs, which check themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import location
from .api_calls import PASS_ROLE, PASSED_TO, Check

Properties = Mapping[str, Any]

_NEW = "new"
"""Stands for the random end of a name that CloudFormation would generate."""
_MAXIMUM_NAME = 64


@dataclass(frozen=True)
class Step:
    """What CloudFormation does to one resource of a stack."""

    verb: str
    """create, update or delete"""
    type: str
    stack: str
    logical_id: str
    physical_id: str
    properties: Properties


@dataclass(frozen=True)
class _Calls:
    """The actions of a type, separated by spaces, on a resource with properties' names in braces.

    ``by_property`` has those that are needed for a property that is there.
    """

    resource: str
    create: str
    update: str = ""
    delete: str = ""
    by_property: Mapping[str, str] | None = None
    name: str = ""


_OWN_APIS = ("AWS::Greengrass::", "AWS::GreengrassV2::", "AWS::IoT::RoleAlias")
_NO_CALLS = ("AWS::CDK::Metadata", "AWS::CloudFormation::WaitConditionHandle")
_TAGS = {"Tags": "TagResource"}

_TYPES: Mapping[str, _Calls] = {
    "AWS::DynamoDB::Table": _Calls(
        "dynamodb:R:A:table/{}",
        "CreateTable DescribeTable",
        "UpdateTable DescribeTable",
        "DeleteTable DescribeTable",
        {"TimeToLiveSpecification": "UpdateTimeToLive", **_TAGS},
        "TableName",
    ),
    "AWS::IAM::InstanceProfile": _Calls(
        "iam::A:instance-profile/{}",
        "CreateInstanceProfile AddRoleToInstanceProfile GetInstanceProfile",
        "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile",
        "RemoveRoleFromInstanceProfile DeleteInstanceProfile",
        name="InstanceProfileName",
    ),
    "AWS::IAM::Policy": _Calls(
        "iam::A:role/{Roles}", "PutRolePolicy", "PutRolePolicy", "DeleteRolePolicy"
    ),
    "AWS::IAM::Role": _Calls(
        "iam::A:role/{}",
        "CreateRole GetRole",
        "UpdateRole UpdateAssumeRolePolicy GetRole",
        "DeleteRole GetRole DeleteRolePolicy DetachRolePolicy ListAttachedRolePolicies "
        "ListRolePolicies",
        {"Policies": "PutRolePolicy", "ManagedPolicyArns": "AttachRolePolicy", "Tags": "TagRole"},
        "RoleName",
    ),
    "AWS::IoT::Policy": _Calls(
        "iot:R:A:policy/{}",
        "CreatePolicy GetPolicy",
        "CreatePolicyVersion DeletePolicyVersion ListPolicyVersions GetPolicy",
        "DeletePolicy DeletePolicyVersion ListPolicyVersions GetPolicy",
        _TAGS,
        "PolicyName",
    ),
    "AWS::IoT::PolicyPrincipalAttachment": _Calls(
        "{Principal}", "iot:AttachPolicy", "iot:AttachPolicy iot:DetachPolicy", "iot:DetachPolicy"
    ),
    "AWS::IoT::ProvisioningTemplate": _Calls(
        "iot:R:A:provisioningtemplate/{}",
        "CreateProvisioningTemplate DescribeProvisioningTemplate",
        "UpdateProvisioningTemplate CreateProvisioningTemplateVersion DescribeProvisioningTemplate",
        "DeleteProvisioningTemplate DescribeProvisioningTemplate",
        _TAGS,
        "TemplateName",
    ),
    "AWS::IoT::Thing": _Calls(
        "iot:R:A:thing/{}",
        "CreateThing DescribeThing",
        "UpdateThing DescribeThing",
        "DeleteThing DescribeThing",
        name="ThingName",
    ),
    "AWS::IoT::ThingGroup": _Calls(
        "iot:R:A:thinggroup/{}",
        "CreateThingGroup DescribeThingGroup ListTagsForResource",
        "UpdateThingGroup DescribeThingGroup ListTagsForResource",
        "DeleteThingGroup DescribeThingGroup",
        _TAGS,
        "ThingGroupName",
    ),
    "AWS::IoT::ThingPrincipalAttachment": _Calls(
        "{Principal}",
        "iot:AttachThingPrincipal",
        "iot:AttachThingPrincipal iot:DetachThingPrincipal",
        "iot:DetachThingPrincipal",
    ),
    "AWS::IoT::TopicRule": _Calls(
        "iot:R:A:rule/{}",
        "CreateTopicRule GetTopicRule",
        "ReplaceTopicRule GetTopicRule",
        "DeleteTopicRule GetTopicRule",
        _TAGS,
        "RuleName",
    ),
    "AWS::Lambda::Alias": _Calls(
        "lambda:R:A:function:{FunctionName}",
        "CreateAlias GetAlias",
        "UpdateAlias GetAlias",
        "DeleteAlias GetAlias",
    ),
    "AWS::Lambda::Function": _Calls(
        "lambda:R:A:function:{}",
        "CreateFunction GetFunction",
        "UpdateFunctionCode UpdateFunctionConfiguration GetFunction",
        "DeleteFunction GetFunction",
        _TAGS,
        "FunctionName",
    ),
    "AWS::Lambda::Version": _Calls(
        "lambda:R:A:function:{FunctionName}",
        "PublishVersion ListVersionsByFunction",
        "ListVersionsByFunction",
        "DeleteFunction",
    ),
    "AWS::Logs::LogGroup": _Calls(
        "logs:R:A:log-group:{}:*",
        "CreateLogGroup DescribeLogGroups",
        "PutRetentionPolicy DescribeLogGroups",
        "DeleteLogGroup DescribeLogGroups",
        {"RetentionInDays": "PutRetentionPolicy", **_TAGS},
        "LogGroupName",
    ),
    "AWS::S3::Bucket": _Calls(
        "s3:::{}",
        "CreateBucket",
        "",
        "DeleteBucket",
        {
            "BucketEncryption": "PutEncryptionConfiguration",
            "LifecycleConfiguration": "PutLifecycleConfiguration",
            "OwnershipControls": "PutBucketOwnershipControls",
            "PublicAccessBlockConfiguration": "PutBucketPublicAccessBlock",
            "Tags": "PutBucketTagging",
            "VersioningConfiguration": "PutBucketVersioning",
        },
        "BucketName",
    ),
    "AWS::S3::BucketPolicy": _Calls(
        "s3:::{Bucket}",
        "PutBucketPolicy GetBucketPolicy",
        "PutBucketPolicy GetBucketPolicy",
        "DeleteBucketPolicy GetBucketPolicy",
    ),
}

_EC2 = {
    "Instance": ("instance", "RunInstances DescribeInstances", "", "TerminateInstances"),
    "InternetGateway": (
        "internet-gateway",
        "CreateInternetGateway DescribeInternetGateways",
        "",
        "DeleteInternetGateway",
    ),
    "LaunchTemplate": (
        "launch-template",
        "CreateLaunchTemplate DescribeLaunchTemplates",
        "CreateLaunchTemplateVersion",
        "DeleteLaunchTemplate",
    ),
    "Route": ("route-table", "CreateRoute DescribeRouteTables", "ReplaceRoute", "DeleteRoute"),
    "RouteTable": (
        "route-table",
        "CreateRouteTable DescribeRouteTables",
        "",
        "DeleteRouteTable DescribeRouteTables",
    ),
    "SecurityGroup": (
        "security-group",
        "CreateSecurityGroup DescribeSecurityGroups AuthorizeSecurityGroupEgress "
        "RevokeSecurityGroupEgress",
        "AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress",
        "DeleteSecurityGroup DescribeSecurityGroups",
    ),
    "Subnet": (
        "subnet",
        "CreateSubnet DescribeSubnets ModifySubnetAttribute",
        "ModifySubnetAttribute",
        "DeleteSubnet DescribeSubnets",
    ),
    "SubnetRouteTableAssociation": (
        "route-table",
        "AssociateRouteTable DescribeRouteTables",
        "",
        "DisassociateRouteTable",
    ),
    "VPC": ("vpc", "CreateVpc DescribeVpcs ModifyVpcAttribute", "ModifyVpcAttribute", "DeleteVpc"),
    "VPCGatewayAttachment": (
        "vpc",
        "AttachInternetGateway DescribeInternetGateways",
        "",
        "DetachInternetGateway",
    ),
}


def stack_checks(step: Step) -> list[Check] | None:
    """Return what a step needs; None if that is not known."""
    kind = step.type
    if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource":
        return [Check("lambda:InvokeFunction", str(step.properties.get("ServiceToken")))]
    if kind in _NO_CALLS or kind.startswith(_OWN_APIS):
        return []
    if kind.startswith("AWS::EC2::") and kind.removeprefix("AWS::EC2::") in _EC2:
        return list(_of_ec2(step, *_EC2[kind.removeprefix("AWS::EC2::")]))
    calls = _TYPES.get(kind)
    if calls is not None:
        return [*_of_type(step, calls), *_further(step)]
    if kind == "AWS::IoT::Certificate":
        return list(_of_certificate(step))
    return None


def _of_ec2(step: Step, kind: str, create: str, update: str, delete: str) -> Iterator[Check]:
    actions = {"create": create, "update": update, "delete": delete}[step.verb].split()
    if step.properties.get("Tags") and step.verb == "create":
        actions.append("CreateTags")
    identity = step.physical_id if step.physical_id.startswith(f"{kind}-") else _NEW
    for action in actions:
        # Calls that only describe take no resource.
        takes_none = action.startswith("Describe")
        resource = "*" if takes_none else location.arn("ec2", f"{kind}/{identity}")
        yield Check(f"ec2:{action}", resource)


def _of_type(step: Step, calls: _Calls) -> Iterator[Check]:
    actions = {"create": calls.create, "update": calls.update, "delete": calls.delete}[step.verb]
    found = actions.split()
    if step.verb != "delete":
        extra = calls.by_property or {}
        found += [extra[name] for name in step.properties if name in extra]
    for resource in _resources(step, calls):
        service = resource.split(":")[2]
        for action in found:
            yield Check(action if ":" in action else f"{service}:{action}", resource)


def _resources(step: Step, calls: _Calls) -> list[str]:
    pattern = calls.resource.replace(":R:A:", f":{location.REGION}:{location.ACCOUNT}:")
    pattern = pattern.replace("::A:", f"::{location.ACCOUNT}:")
    if pattern.startswith("{"):
        return [str(step.properties.get(pattern.strip("{}")))]
    whole = f"arn:aws:{pattern}"
    if "{}" in whole:
        return [whole.replace("{}", _name(step, calls.name))]
    key = whole[whole.index("{") + 1 : whole.index("}")]
    value = step.properties.get(key)
    names = value if isinstance(value, list) else [value]
    return [whole.replace(f"{{{key}}}", str(name).rsplit(":", 1)[-1]) for name in names]


def _name(step: Step, key: str) -> str:
    if step.verb != "create" and step.physical_id:
        return step.physical_id
    given = step.properties.get(key)
    if given:
        return str(given)
    made = f"{step.stack}-{step.logical_id}"[: _MAXIMUM_NAME - len(_NEW) - 1] + f"-{_NEW}"
    return made.lower() if step.type.startswith("AWS::S3::") else made


def _further(step: Step) -> Iterator[Check]:
    """Yield what a type needs on other resources than its own."""
    if step.verb == "delete":
        return
    properties = step.properties
    if step.type == "AWS::Lambda::Function":
        yield Check(PASS_ROLE, str(properties.get("Role")), {PASSED_TO: "lambda.amazonaws.com"})
        code = properties.get("Code") or {}
        if code.get("S3Bucket"):
            yield Check("s3:GetObject", f"arn:aws:s3:::{code['S3Bucket']}/{code.get('S3Key')}")
    elif step.type == "AWS::IAM::InstanceProfile":
        for role in properties.get("Roles") or []:
            arn = f"arn:aws:iam::{location.ACCOUNT}:role/{role}"
            yield Check(PASS_ROLE, arn, {PASSED_TO: "ec2.amazonaws.com"})
    elif step.type == "AWS::IoT::ProvisioningTemplate":
        role = str(properties.get("ProvisioningRoleArn"))
        yield Check(PASS_ROLE, role, {PASSED_TO: "iot.amazonaws.com"})
    elif step.type == "AWS::IoT::TopicRule":
        for role in sorted(_roles_in(properties)):
            yield Check(PASS_ROLE, role, {PASSED_TO: "iot.amazonaws.com"})


def _roles_in(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        own = {str(value["RoleArn"])} if isinstance(value.get("RoleArn"), str) else set()
        return own.union(*map(_roles_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(_roles_in, value))
    return set()


def _of_certificate(step: Step) -> Iterator[Check]:
    if step.verb == "create":
        yield Check("iot:CreateCertificateFromCsr", "*")
        return
    arn = location.arn("iot", f"cert/{step.physical_id}")
    yield Check("iot:DescribeCertificate", arn)
    yield Check("iot:UpdateCertificate", arn)
    if step.verb == "delete":
        yield Check("iot:DeleteCertificate", arn)
