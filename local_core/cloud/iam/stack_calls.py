"""The calls that CloudFormation makes for resources, by type.

They are those that our templates should cause, by the permissions that the published schema of each
type names for its handlers; nobody tried them on AWS. After it has created a resource, a handler
reads it, with its tags. The resources that an action takes are in the service authorization
reference. Of types whose APIs are ours, these are the calls that no such API serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Calls:
    """The actions of a type, separated by spaces, on a resource with properties' names in braces.

    ``by_property`` has those that are needed for a property that is there.
    """

    resource: str
    create: str
    update: str = ""
    delete: str = ""
    by_property: Mapping[str, str] | None = None
    name: str = ""


_EGRESS = "AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress"
_TAGS = {"Tags": "TagResource"}

TYPES: Mapping[str, Calls] = {
    "AWS::CloudWatch::Alarm": Calls(
        "cloudwatch:R:A:alarm:{}",
        "PutMetricAlarm DescribeAlarms",
        "PutMetricAlarm DescribeAlarms",
        "DeleteAlarms DescribeAlarms",
        _TAGS,
        "AlarmName",
    ),
    "AWS::CloudWatch::Dashboard": Calls(
        "cloudwatch::A:dashboard/{}",
        "PutDashboard GetDashboard TagResource ListTagsForResource",
        "PutDashboard GetDashboard ListTagsForResource",
        "DeleteDashboards GetDashboard",
        name="DashboardName",
    ),
    "AWS::DynamoDB::Table": Calls(
        "dynamodb:R:A:table/{}",
        "CreateTable DescribeTable ListTagsOfResource",
        "UpdateTable DescribeTable",
        "DeleteTable DescribeTable",
        {"TimeToLiveSpecification": "UpdateTimeToLive", **_TAGS},
        "TableName",
    ),
    "AWS::Events::Rule": Calls(
        "events:R:A:rule/{}",
        "PutRule DescribeRule",
        "PutRule DescribeRule",
        "DeleteRule DescribeRule",
        {"Targets": "PutTargets", **_TAGS},
        "Name",
    ),
    "AWS::GreengrassV2::ComponentVersion": Calls(
        "greengrass:R:A:components:{}",
        "DescribeComponent TagResource ListTagsForResource",
        "DescribeComponent TagResource ListTagsForResource",
    ),
    "AWS::GreengrassV2::Deployment": Calls(
        "greengrass:R:A:deployments:{}", "GetDeployment TagResource", "GetDeployment TagResource"
    ),
    "AWS::IAM::InstanceProfile": Calls(
        "iam::A:instance-profile/{}",
        "CreateInstanceProfile AddRoleToInstanceProfile GetInstanceProfile",
        "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile",
        "RemoveRoleFromInstanceProfile DeleteInstanceProfile",
        name="InstanceProfileName",
    ),
    "AWS::IAM::Policy": Calls(
        "iam::A:role/{Roles}", "GetRolePolicy PutRolePolicy", "PutRolePolicy", "DeleteRolePolicy"
    ),
    "AWS::IAM::Role": Calls(
        "iam::A:role/{}",
        "CreateRole GetRole GetRolePolicy",
        "UpdateRole UpdateAssumeRolePolicy GetRole",
        "DeleteRole GetRole DeleteRolePolicy DetachRolePolicy ListAttachedRolePolicies "
        "ListRolePolicies",
        {"Policies": "PutRolePolicy", "ManagedPolicyArns": "AttachRolePolicy", "Tags": "TagRole"},
        "RoleName",
    ),
    "AWS::IoT::Policy": Calls(
        "iot:R:A:policy/{}",
        "CreatePolicy GetPolicy ListTagsForResource",
        "CreatePolicyVersion DeletePolicyVersion ListPolicyVersions SetDefaultPolicyVersion "
        "GetPolicy ListTagsForResource",
        "DeletePolicy DeletePolicyVersion ListPolicyVersions GetPolicy",
        _TAGS,
        "PolicyName",
    ),
    "AWS::IoT::PolicyPrincipalAttachment": Calls(
        "{Principal}", "iot:AttachPolicy", "iot:AttachPolicy iot:DetachPolicy", "iot:DetachPolicy"
    ),
    "AWS::IoT::ProvisioningTemplate": Calls(
        "iot:R:A:provisioningtemplate/{}",
        "CreateProvisioningTemplate DescribeProvisioningTemplate ListTagsForResource",
        "UpdateProvisioningTemplate CreateProvisioningTemplateVersion "
        "DeleteProvisioningTemplateVersion ListProvisioningTemplateVersions "
        "DescribeProvisioningTemplate",
        "DeleteProvisioningTemplate DescribeProvisioningTemplate",
        _TAGS,
        "TemplateName",
    ),
    "AWS::IoT::RoleAlias": Calls(
        "iot:R:A:rolealias/{}",
        "DescribeRoleAlias TagResource ListTagsForResource",
        "DescribeRoleAlias TagResource ListTagsForResource",
        name="RoleAlias",
    ),
    "AWS::IoT::Thing": Calls(
        "iot:R:A:thing/{}",
        "CreateThing DescribeThing",
        "UpdateThing DescribeThing",
        "DeleteThing DescribeThing",
        name="ThingName",
    ),
    "AWS::IoT::ThingGroup": Calls(
        "iot:R:A:thinggroup/{}",
        "CreateThingGroup DescribeThingGroup TagResource ListTagsForResource",
        "UpdateThingGroup DescribeThingGroup ListTagsForResource",
        "DeleteThingGroup DescribeThingGroup",
        _TAGS,
        "ThingGroupName",
    ),
    "AWS::IoT::ThingPrincipalAttachment": Calls(
        "{Principal}",
        "iot:AttachThingPrincipal",
        "iot:AttachThingPrincipal iot:DetachThingPrincipal",
        "iot:DetachThingPrincipal",
    ),
    "AWS::IoT::TopicRule": Calls(
        "iot:R:A:rule/{}",
        "CreateTopicRule GetTopicRule TagResource ListTagsForResource",
        "ReplaceTopicRule GetTopicRule ListTagsForResource",
        "DeleteTopicRule GetTopicRule",
        _TAGS,
        "RuleName",
    ),
    "AWS::KMS::Key": Calls(
        "kms:R:A:key/{}",
        "CreateKey DescribeKey",
        "DescribeKey PutKeyPolicy UpdateKeyDescription",
        "DescribeKey ScheduleKeyDeletion",
        {"EnableKeyRotation": "EnableKeyRotation", **_TAGS},
    ),
    "AWS::Lambda::Alias": Calls(
        "lambda:R:A:function:{FunctionName}",
        "CreateAlias GetAlias",
        "UpdateAlias GetAlias",
        "DeleteAlias GetAlias",
    ),
    "AWS::Lambda::Function": Calls(
        "lambda:R:A:function:{}",
        "CreateFunction GetFunction",
        "UpdateFunctionCode UpdateFunctionConfiguration GetFunction",
        "DeleteFunction GetFunction",
        _TAGS,
        "FunctionName",
    ),
    "AWS::Lambda::Permission": Calls(
        "lambda:R:A:function:{FunctionName}",
        "AddPermission GetPolicy",
        "RemovePermission AddPermission GetPolicy",
        "RemovePermission GetPolicy",
    ),
    "AWS::Lambda::Version": Calls(
        "lambda:R:A:function:{FunctionName}",
        "PublishVersion ListVersionsByFunction",
        "ListVersionsByFunction",
        "DeleteFunction",
    ),
    "AWS::Logs::LogGroup": Calls(
        "logs:R:A:log-group:{}",
        "CreateLogGroup DescribeLogGroups",
        "PutRetentionPolicy DescribeLogGroups",
        "DeleteLogGroup DescribeLogGroups",
        {"RetentionInDays": "PutRetentionPolicy", **_TAGS},
        "LogGroupName",
    ),
    "AWS::Logs::MetricFilter": Calls(
        "logs:R:A:log-group:{LogGroupName}",
        "PutMetricFilter DescribeMetricFilters",
        "PutMetricFilter DescribeMetricFilters",
        "DeleteMetricFilter DescribeMetricFilters",
    ),
    "AWS::S3::Bucket": Calls(
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
    "AWS::S3::BucketPolicy": Calls(
        "s3:::{Bucket}",
        "PutBucketPolicy GetBucketPolicy",
        "PutBucketPolicy GetBucketPolicy",
        "DeleteBucketPolicy GetBucketPolicy",
    ),
    "AWS::SNS::Subscription": Calls(
        "{TopicArn}",
        "sns:Subscribe sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes sns:GetSubscriptionAttributes",
        "sns:Unsubscribe",
    ),
    "AWS::SNS::Topic": Calls(
        "sns:R:A:{}",
        "CreateTopic GetTopicAttributes",
        "SetTopicAttributes GetTopicAttributes ListSubscriptionsByTopic",
        "DeleteTopic",
        _TAGS,
        "TopicName",
    ),
    "AWS::SNS::TopicPolicy": Calls(
        "{Topics}", "sns:SetTopicAttributes", "sns:SetTopicAttributes", "sns:SetTopicAttributes"
    ),
}

EC2: Mapping[str, tuple[str, str, str, str]] = {
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
        f"CreateSecurityGroup DescribeSecurityGroups {_EGRESS}",
        _EGRESS,
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
"""Kind, then the actions that create, update and delete, of each type of Amazon EC2."""
