"""Greengrass V1: the resource types AWS::Greengrass::*, all by our own handlers, and its API."""

from __future__ import annotations

import copy
import json
import urllib.request
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from tests.cloud.support import Device, StackError, Stacks
from tests.cloud.v1_templates import KINDS, ROLE, content_of, definition, group_of


def _listed(cloud: LocalCloud, kind: str) -> dict[str, str]:
    reply = getattr(cloud.client("greengrass"), xform_name(f"List{kind}Definitions"))()
    return {item["Id"]: item["Name"] for item in reply["Definitions"]}


@pytest.mark.parametrize("kind", KINDS)
def test_definition_by_our_handler_is_created_renamed_replaced_and_deleted(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device, kind: str
) -> None:
    content = content_of(device)[kind]
    arn = {"Arn": {"Fn::GetAtt": ["D", "LatestVersionArn"]}}
    stacks.deploy(stack, {"D": definition(kind, content)}, arn)
    first = stacks.resource(stack, "D")
    version = stacks.outputs(stack)["Arn"].rsplit("/", 1)[1]
    get = getattr(cloud.client("greengrass"), xform_name(f"Get{kind}DefinitionVersion"))
    found = get(**{f"{kind}DefinitionId": first, f"{kind}DefinitionVersionId": version})
    assert found["Arn"] == stacks.outputs(stack)["Arn"]
    assert found["Definition"].keys() == content.keys()

    stacks.deploy(stack, {"D": definition(kind, content, "second")}, arn)
    assert stacks.resource(stack, "D") == first
    assert _listed(cloud, kind)[first] == "second"

    changed = copy.deepcopy(content)
    next(iter(changed[f"{kind}s"]))["Id"] = "another"
    stacks.deploy(stack, {"D": definition(kind, changed, "second")}, arn)
    assert stacks.resource(stack, "D") != first
    assert first not in _listed(cloud, kind)

    stacks.delete(stack)
    assert _listed(cloud, kind) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_definition_version_by_our_handler_is_added_to_its_definition(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device, kind: str
) -> None:
    content = content_of(device)[kind]
    definition = {"Type": f"AWS::Greengrass::{kind}Definition", "Properties": {"Name": "n"}}
    version = {
        "Type": f"AWS::Greengrass::{kind}DefinitionVersion",
        "Properties": {f"{kind}DefinitionId": {"Ref": "D"}, **content},
    }
    stacks.deploy(stack, {"D": definition, "V": version})
    identity = stacks.resource(stack, "D")
    arn = f"arn:aws:greengrass:us-east-1:000000000000:/greengrass/definition/{kind.lower()}s/"
    assert stacks.resource(stack, "V").startswith(f"{arn}{identity}/versions/")
    stacks.delete(stack)


def test_template_text_becomes_the_numbers_and_truths_of_the_api(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device
) -> None:
    stacks.deploy(stack, {"D": definition("Function", content_of(device)["Function"])})
    greengrass = cloud.client("greengrass")
    identity = stacks.resource(stack, "D")
    number = greengrass.get_function_definition(FunctionDefinitionId=identity)["LatestVersion"]
    version = greengrass.get_function_definition_version(
        FunctionDefinitionId=identity, FunctionDefinitionVersionId=number
    )
    configuration = version["Definition"]["Functions"][0]["FunctionConfiguration"]
    assert (configuration["Pinned"], configuration["Timeout"]) == (True, 25)


def test_group_and_group_version_by_our_handlers(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device
) -> None:
    greengrass = cloud.client("greengrass")
    resources = group_of(content_of(device))
    stacks.deploy(stack, resources, {"Arn": {"Fn::GetAtt": ["Group", "Arn"]}})
    identity = stacks.resource(stack, "Group")
    assert stacks.outputs(stack)["Arn"].endswith(f":/greengrass/groups/{identity}")
    assert greengrass.get_associated_role(GroupId=identity)["RoleArn"] == ROLE
    [group] = [g for g in greengrass.list_groups()["Groups"] if g["Id"] == identity]
    version = greengrass.get_group_version(GroupId=identity, GroupVersionId=group["LatestVersion"])
    assert version["Arn"] == stacks.resource(stack, "Version") == group["LatestVersionArn"]
    assert version["Definition"].keys() == {f"{kind}DefinitionVersionArn" for kind in KINDS}
    stacks.delete(stack)
    assert greengrass.list_groups()["Groups"] == []


@pytest.fixture
def service_role(cloud: LocalCloud) -> Any:
    """The account's service role, without which no group can be deployed."""
    greengrass = cloud.client("greengrass")
    greengrass.associate_service_role_to_account(RoleArn=ROLE)
    yield
    greengrass.disassociate_service_role_from_account()


def _succeed(cloud: LocalCloud, device: Device, group: str, deployment: str) -> None:
    report = {"groupId": group, "deploymentId": deployment, "status": "Success"}
    data = json.dumps(report).encode()
    path = f"/_core/1/things/{device.thing}"
    request = urllib.request.Request(f"{cloud.endpoint}{path}", data=data, method="POST")
    urllib.request.urlopen(request).close()


def _orders(cloud: LocalCloud, thing: str) -> Any:
    with urllib.request.urlopen(f"{cloud.endpoint}/_core/1/things/{thing}") as reply:
        return json.load(reply)


@pytest.mark.usefixtures("service_role")
def test_group_that_is_deployed_is_deleted_only_after_a_reset(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device
) -> None:
    greengrass = cloud.client("greengrass")
    stacks.deploy(stack, group_of(content_of(device)))
    group = stacks.resource(stack, "Group")
    version = greengrass.get_group(GroupId=group)["LatestVersion"]
    made = greengrass.create_deployment(
        GroupId=group, GroupVersionId=version, DeploymentType="NewDeployment"
    )["DeploymentId"]
    assert _orders(cloud, device.thing) == {
        "groupId": group,
        "groupVersionId": version,
        "deploymentId": made,
        "deploymentType": "NewDeployment",
        "status": "InProgress",
        "error": None,
    }
    _succeed(cloud, device, group, made)
    status = greengrass.get_deployment_status(GroupId=group, DeploymentId=made)
    assert status["DeploymentStatus"] == "Success"

    with pytest.raises(StackError, match="Reset its deployments first"):
        stacks.delete(stack)
    reset = greengrass.reset_deployments(GroupId=group)["DeploymentId"]
    with pytest.raises(StackError, match="Reset its deployments first"):
        stacks.delete(stack)
    _succeed(cloud, device, group, reset)
    kinds = [d["DeploymentType"] for d in greengrass.list_deployments(GroupId=group)["Deployments"]]
    assert kinds == ["ResetDeployment", "NewDeployment"]
    stacks.delete(stack)


@pytest.mark.usefixtures("service_role")
def test_forced_reset_needs_no_core(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device
) -> None:
    greengrass = cloud.client("greengrass")
    stacks.deploy(stack, group_of(content_of(device)))
    group = stacks.resource(stack, "Group")
    version = greengrass.get_group(GroupId=group)["LatestVersion"]
    greengrass.create_deployment(
        GroupId=group, GroupVersionId=version, DeploymentType="NewDeployment"
    )
    greengrass.reset_deployments(GroupId=group, Force=True)
    stacks.delete(stack)
    assert _orders(cloud, device.thing) is None


def test_deployment_fails_without_the_service_role(
    cloud: LocalCloud, stacks: Stacks, stack: str, device: Device
) -> None:
    greengrass = cloud.client("greengrass")
    stacks.deploy(stack, group_of(content_of(device)))
    group = stacks.resource(stack, "Group")
    with pytest.raises(ClientError, match="service role"):
        greengrass.get_service_role_for_account()
    made = greengrass.create_deployment(
        GroupId=group,
        GroupVersionId=greengrass.get_group(GroupId=group)["LatestVersion"],
        DeploymentType="NewDeployment",
    )["DeploymentId"]
    status = greengrass.get_deployment_status(GroupId=group, DeploymentId=made)
    assert status["DeploymentStatus"] == "Failure"
    assert "TES service role is not associated" in status["ErrorMessage"]
    greengrass.reset_deployments(GroupId=group, Force=True)


def test_unknown_group_is_not_found(cloud: LocalCloud) -> None:
    with pytest.raises(ClientError, match="IdNotFoundException"):
        cloud.client("greengrass").get_group(GroupId="unknown")
