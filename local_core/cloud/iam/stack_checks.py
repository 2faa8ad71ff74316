"""What CloudFormation needs to create, update and delete resources, as the role of a stack.

The APIs that are not ministack's check their own calls: of their types, here is only what
CloudFormation calls besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import location
from .api_calls import PASS_ROLE, PASSED_TO, Check, component_name
from .stack_calls import EC2, TYPES, Calls

Properties = Mapping[str, Any]

_NEW = "new"
"""Stands for the random end of a name that CloudFormation would generate."""
_LOGS_OF_MINISTACK = "/aws/cloudformation/"
"""How ministack begins the names that it generates for log groups; AWS begins all as we do."""
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


_COMPONENT_VERSION = "AWS::GreengrassV2::ComponentVersion"
_GREENGRASS_V1 = "AWS::Greengrass::"
"""Its API is ours."""
_WITHOUT_RESOURCE = (
    "kms:CreateKey",
    "logs:DescribeLogGroups",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
)
_NO_CALLS = (
    "AWS::CDK::Metadata",
    "AWS::CloudFormation::WaitCondition",
    "AWS::CloudFormation::WaitConditionHandle",
)


def stack_checks(step: Step) -> list[Check] | None:
    """Return what a step needs; None if that is not known."""
    kind = step.type
    if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource":
        return [Check("lambda:InvokeFunction", str(step.properties.get("ServiceToken")))]
    if kind in _NO_CALLS or kind.startswith(_GREENGRASS_V1):
        return []
    if kind.startswith("AWS::EC2::") and kind.removeprefix("AWS::EC2::") in EC2:
        return list(_of_ec2(step, *EC2[kind.removeprefix("AWS::EC2::")]))
    calls = TYPES.get(kind)
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
        takes_none = action.startswith("Describe")
        resource = "*" if takes_none else location.arn("ec2", f"{kind}/{identity}")
        yield Check(f"ec2:{action}", resource)


def _of_type(step: Step, calls: Calls) -> Iterator[Check]:
    actions = {"create": calls.create, "update": calls.update, "delete": calls.delete}[step.verb]
    found = actions.split()
    if step.verb != "delete":
        extra = calls.by_property or {}
        found += [extra[name] for name in step.properties if name in extra]
    for resource in _resources(step, calls):
        service = resource.split(":")[2]
        for action in found:
            whole = action if ":" in action else f"{service}:{action}"
            place = "*" if whole in _WITHOUT_RESOURCE else resource
            yield Check(whole, place, _context(step, whole))


def _context(step: Step, action: str) -> dict[str, str]:
    """Return the condition keys of a call that our policies ask for."""
    if action in ("lambda:AddPermission", "lambda:RemovePermission"):
        return {"lambda:Principal": str(step.properties.get("Principal"))}
    if action.startswith("kms:") and action != "kms:CreateKey":
        # No tags of CloudFormation's own: AWS KMS does not support them.
        tags = step.properties.get("Tags") or ()
        return {f"aws:ResourceTag/{one['Key']}": str(one["Value"]) for one in tags}
    return {}


def _resources(step: Step, calls: Calls) -> list[str]:
    pattern = calls.resource.replace(":R:A:", f":{location.REGION}:{location.ACCOUNT}:")
    pattern = pattern.replace("::A:", f"::{location.ACCOUNT}:")
    if pattern.startswith("{"):
        given = step.properties.get(pattern.strip("{}"))
        return [str(one) for one in (given if isinstance(given, list) else [given])]
    whole = f"arn:aws:{pattern}"
    if "{}" in whole:
        return [whole.replace("{}", _name(step, calls.name))]
    key = whole[whole.index("{") + 1 : whole.index("}")]
    value = step.properties.get(key)
    names = value if isinstance(value, list) else [value]
    return [whole.replace(f"{{{key}}}", _as_of_aws(str(name))) for name in names]


def _as_of_aws(name: str) -> str:
    """Return the name in an ARN, or a log group's as CloudFormation would have made it."""
    if name.startswith(_LOGS_OF_MINISTACK):
        return name.removeprefix(_LOGS_OF_MINISTACK).replace("/", "-")
    return name.rsplit(":", 1)[-1]


def _name(step: Step, key: str) -> str:
    given = step.properties.get(key)
    if given:
        return str(given)
    if step.type == _COMPONENT_VERSION:
        return component_name(step.properties.get("InlineRecipe"))
    if step.physical_id and not step.physical_id.startswith(_LOGS_OF_MINISTACK):
        return step.physical_id
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
