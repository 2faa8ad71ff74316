"""The policies of the deployer allow what CloudFormation needs for every configuration.

stacks/deployer-policy-monitoring.json is for dashboard, alarms and actions only.

Calls of resource types that the local cloud serves itself are asked for with the operations of
their services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from local_core.cloud.api import service_model
from local_core.cloud.iam.api_calls import Check, checks
from local_core.cloud.iam.stack_checks import Step, stack_checks
from local_core.run.shared_cloud import DEPLOYER_POLICY, MONITORING_POLICY
from tests.stacks.configurations import CONFIGURATIONS, WATCHED, templates
from tests.stacks.synthesis import resolved

MAXIMUM_CHARACTERS = 6_144
"""IAM's limit of a managed policy, white space not counted."""
_ACCOUNT = "000000000000"
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9]+)(\.[A-Za-z]+)?>")
_ARNS = {
    "AWS::IAM::Role": f"arn:aws:iam::{_ACCOUNT}:role/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:{{}}",
    "AWS::IoT::Thing": f"arn:aws:iot:us-east-1:{_ACCOUNT}:thing/{{}}",
    "AWS::IoT::ThingGroup": f"arn:aws:iot:us-east-1:{_ACCOUNT}:thinggroup/{{}}",
    "AWS::SNS::Topic": f"arn:aws:sns:us-east-1:{_ACCOUNT}:{{}}",
    "AWS::IoT::Certificate": f"arn:aws:iot:us-east-1:{_ACCOUNT}:cert/{{}}",
}
_REFERRED_BY_ARN = ("AWS::SNS::Topic",)
_V1 = "AWS::Greengrass::"


def stack_name(stack: str) -> str:
    return f"DlrInference-{stack}"


def filled_in(value: Any, stack: str, types: Mapping[str, str]) -> Any:
    """Return properties with an ARN or a name in place of each reference to a resource."""
    if isinstance(value, list):
        return [filled_in(item, stack, types) for item in value]
    if isinstance(value, dict):
        return {key: filled_in(item, stack, types) for key, item in value.items()}
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        name = f"{stack_name(stack)}-{match[1]}-new"
        kind = types.get(match[1], "")
        pattern = _ARNS.get(kind) if match[2] == ".Arn" or kind in _REFERRED_BY_ARN else None
        name = name.lower() if types.get(match[1]) == "AWS::S3::Bucket" else name
        return pattern.format(name) if pattern else name

    return _PLACEHOLDER.sub(one, value)


def own_calls(
    kind: str, properties: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield service, operation and request of the calls for a type of the local cloud's own."""
    if kind == "AWS::IoT::RoleAlias":
        request = {"roleAlias": properties["RoleAlias"], "roleArn": properties["RoleArn"]}
        for operation in ("CreateRoleAlias", "UpdateRoleAlias", "DeleteRoleAlias"):
            yield "iot", operation, request
    elif kind == "AWS::GreengrassV2::ComponentVersion":
        yield "greengrassv2", "CreateComponentVersion", {"inlineRecipe": properties["InlineRecipe"]}
        name = json.loads(properties["InlineRecipe"])["ComponentName"]
        arn = f"arn:aws:greengrass:us-east-1:{_ACCOUNT}:components:{name}:versions:1.0.0"
        yield "greengrassv2", "DeleteComponent", {"arn": arn}
    elif kind == "AWS::GreengrassV2::Deployment":
        yield "greengrassv2", "CreateDeployment", {"targetArn": properties["TargetArn"]}
        for operation in ("GetDeployment", "CancelDeployment", "DeleteDeployment"):
            yield "greengrassv2", operation, {"deploymentId": "id"}
    elif kind.startswith(_V1):
        name = kind.removeprefix(_V1)
        key = name.removesuffix("Version") + "Id"
        yield "greengrass", f"Create{name}", {key: "id"}
        if not name.endswith("Version"):
            yield "greengrass", f"Delete{name}", {key: "id"}
        if properties.get("RoleArn"):
            request = {key: "id", "RoleArn": properties["RoleArn"]}
            yield "greengrass", "AssociateRoleToGroup", request


def needed(stack: str, template: Mapping[str, Any]) -> Iterator[Check]:
    """Yield what CloudFormation needs to create, update and delete a template's resources."""
    resources = template["Resources"]
    types = {logical[:-8]: resource["Type"] for logical, resource in resources.items()}
    for logical, resource in resources.items():
        kind = resource["Type"]
        properties = filled_in(resolved(resource.get("Properties", {})), stack, types)
        for verb in ("create", "update", "delete"):
            step = Step(verb, kind, stack_name(stack), logical, "", properties)
            found = stack_checks(step)
            assert found is not None, f"{kind}: what it needs is not known"
            yield from found
        for service, operation, request in own_calls(kind, properties):
            uri = service_model.load(service).operation_model(operation).http["requestUri"]
            yield from checks(service, operation, uri, request)
    parameter = f"arn:aws:ssm:us-east-1:{_ACCOUNT}:parameter/cdk-bootstrap/hnb659fds/version"
    yield Check("ssm:GetParameters", parameter)


@cache
def statements() -> list[Any]:
    return [
        statement
        for file in (DEPLOYER_POLICY, MONITORING_POLICY)
        for statement in parse_policy_document(file.read_text(encoding="utf-8"))
    ]


def statement_for(check: Check) -> str | None:
    """Return the Sid of the statement that allows a check; None if none does."""
    context = EvalContext(
        principal_arn=f"arn:aws:sts::{_ACCOUNT}:assumed-role/exec/AWSCloudFormation",
        principal_type="AssumedRole",
        principal_account=_ACCOUNT,
        action=check.action,
        resource_arn=check.resource,
        region="us-east-1",
        service_context={key.lower(): value for key, value in check.context.items()},
    )
    result = evaluate(context, [statements()])
    return str(result.matched_sid) if result.decision == "Allow" else None


@pytest.mark.parametrize("configuration", sorted(CONFIGURATIONS.keys() - WATCHED))
def test_first_policy_is_enough_without_dashboard_alarms_and_actions(configuration: str) -> None:
    further = {one["Sid"] for one in json.loads(MONITORING_POLICY.read_text())["Statement"]}
    used = {
        statement_for(check)
        for stack, template in templates(configuration).items()
        for check in needed(stack, template)
    }
    assert used & further == set()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_deployer_may_deploy(configuration: str) -> None:
    refused = {
        f"{check.action} on {check.resource}"
        for stack, template in templates(configuration).items()
        for check in needed(stack, template)
        if statement_for(check) is None
    }
    assert sorted(refused) == []


def test_no_statement_of_the_deployer_is_in_vain() -> None:
    used = {
        statement_for(check)
        for configuration in CONFIGURATIONS
        for stack, template in templates(configuration).items()
        for check in needed(stack, template)
    }
    assert {one.sid for one in statements()} - used == set()


def test_deployer_cannot_pass_a_role_to_another_service() -> None:
    role = f"arn:aws:iam::{_ACCOUNT}:role/DlrInference-Demo-Role"
    for service, is_allowed in (("lambda", True), ("ecs", False)):
        context = {"iam:PassedToService": f"{service}.amazonaws.com"}
        found = statement_for(Check("iam:PassRole", role, context))
        assert (found is not None) == is_allowed


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", f"arn:aws:iam::{_ACCOUNT}:role/Admin"),
        ("iam:PutRolePolicy", f"arn:aws:iam::{_ACCOUNT}:role/Admin"),
        ("s3:GetObject", "arn:aws:s3:::payroll/2026.csv"),
        ("s3:DeleteBucket", "arn:aws:s3:::payroll"),
        ("lambda:DeleteFunction", f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:payroll"),
        ("greengrass:DeleteCoreDevice", f"arn:aws:greengrass:us-east-1:{_ACCOUNT}:coreDevices:a"),
        ("sns:DeleteTopic", f"arn:aws:sns:us-east-1:{_ACCOUNT}:payroll"),
        ("kms:ScheduleKeyDeletion", f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/payroll"),
        ("lambda:AddPermission", f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:payroll"),
        ("iot:DeleteThing", f"arn:aws:iot:us-east-1:{_ACCOUNT}:thing/conveyor"),
    ],
)
def test_deployer_may_not_touch_what_is_not_of_the_app(action: str, resource: str) -> None:
    assert statement_for(Check(action, resource)) is None


@pytest.mark.parametrize("file", [DEPLOYER_POLICY, MONITORING_POLICY], ids=lambda file: file.name)
def test_deployer_policy_fits_into_a_managed_policy(file: Path) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    assert len(json.dumps(document, separators=(",", ":"))) <= MAXIMUM_CHARACTERS
