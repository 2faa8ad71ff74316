"""Stacks act as the role that they are given, else as their caller."""

from __future__ import annotations

import json

import pytest

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import Decision
from tests.cloud.roles import ACCOUNT, Role, allow
from tests.cloud.support import StackError, Stacks
from tests.waiting import eventually


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
