"""The deployment to a thing group, beside the one to the core that the group follows."""

import json
from collections import Counter
from typing import Any

import pytest

from inference import settings as device
from stacks.component.access_control import access_control
from stacks.component.fleet_configuration import for_all_cores
from stacks.names import published_topics
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import all_of, only, recipe_of, resolved

FLEET, CORE = "<FleetGroup.Arn>", "<Group.Arn>"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return configuration("v2-thing-group")


def deployments(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The deployments by their targets."""
    found = resolved(all_of(template, "AWS::GreengrassV2::Deployment"))
    return {one["TargetArn"]: one for one in found}


def merged(deployment: dict[str, Any]) -> dict[str, Any]:
    """The configuration that a deployment gives."""
    (component,) = deployment["Components"].values()
    found: dict[str, Any] = json.loads(component["ConfigurationUpdate"]["Merge"])
    return found


def test_key_adds_a_group_and_a_deployment_and_nothing_else(template: dict[str, Any]) -> None:
    without, with_group = (
        Counter(one["Type"] for one in found["Resources"].values())
        for found in (configuration("v2"), template)
    )
    assert with_group - without == {
        "AWS::IoT::ThingGroup": 1,
        "AWS::GreengrassV2::Deployment": 1,
    }
    assert template["Outputs"].keys() == configuration("v2")["Outputs"].keys()


def test_group_is_named_literally_so_that_one_that_is_there_can_be_imported(
    template: dict[str, Any],
) -> None:
    assert {"ThingGroupName": "shop-floor"} in all_of(template, "AWS::IoT::ThingGroup")


def test_group_outlives_the_stack_with_its_members(template: dict[str, Any]) -> None:
    (group,) = (
        one
        for one in template["Resources"].values()
        if one["Properties"].get("ThingGroupName") == "shop-floor"
    )
    assert group["UpdateReplacePolicy"] == "Retain"
    assert group["DeletionPolicy"] == "RetainExceptOnCreate"


def test_core_of_the_stack_is_not_put_into_the_group(template: dict[str, Any]) -> None:
    assert only(template, "AWS::IoT::Thing") == {"ThingName": "Demo_Core"}
    assert deployments(template).keys() == {CORE, FLEET}


def test_group_gets_the_same_version_under_the_same_policies(template: dict[str, Any]) -> None:
    core, group = deployments(template)[CORE], deployments(template)[FLEET]
    assert group["DeploymentName"] == "shop-floor"
    ((name, component),) = group["Components"].items()
    assert name == "DlrInference.Demo"
    assert component["ComponentVersion"] == "<InferenceVersion.ComponentVersion>"
    assert component["ConfigurationUpdate"]["Reset"] == [""]
    for same in ("DeploymentPolicies", "IotJobConfiguration"):
        assert group[same] == core[same]


def test_group_s_configuration_is_the_core_s_except_for_name_and_topics(
    template: dict[str, Any],
) -> None:
    core, group = (merged(deployments(template)[target]) for target in (CORE, FLEET))
    assert {key for key in core if core[key] != group[key]} == {"coreName"}
    assert group.keys() - core.keys() == {"accessControl"}  # the core's own is in the recipe
    assert group["coreName"] == "*"
    (policy,) = group["accessControl"]["aws.greengrass.ipc.mqttproxy"].values()
    assert policy["resources"] == [
        "mli/predictions/*",
        "mli/telemetry/*",
        "feedback/message/prediction",
        "feedback/message/status",
    ]
    own = {**group, "coreName": "Press-1"}  # as the core's own process fills it in
    read = device.InferenceSettings.from_configuration(
        json.loads(json.dumps(own).replace("<FeedbackBucket>", "samples"))
    )
    assert read.core_name == "Press-1"


def test_recipe_and_policies_are_those_without_the_group(template: dict[str, Any]) -> None:
    alone = configuration("v2")
    assert recipe_of(template) == recipe_of(alone)
    for kind in ("AWS::IoT::Policy", "AWS::IAM::Role", "AWS::IAM::Policy"):
        assert all_of(template, kind) == all_of(alone, kind)


def test_cores_may_fetch_what_is_deployed_to_them(template: dict[str, Any]) -> None:
    (deployment,) = (
        one
        for one in template["Resources"].values()
        if one["Type"] == "AWS::GreengrassV2::Deployment"
        and resolved(one["Properties"]["TargetArn"]) == FLEET
    )
    waited_for = {template["Resources"][name]["Type"] for name in deployment["DependsOn"]}
    assert waited_for == {"AWS::IAM::Role"}


def test_configuration_of_all_cores_leaves_the_one_it_is_made_of() -> None:
    one = {"coreName": "a", "topK": 5, "feedbackConfiguration": {}}
    before = json.dumps(one)
    found = for_all_cores(one, "a")
    assert found["accessControl"] == access_control(
        "DlrInference.a", published_topics("*", feedback=True)
    )
    assert (found["coreName"], found["topK"]) == ("*", 5)
    assert json.dumps(one) == before


def test_permission_of_an_older_deployment_becomes_that_of_all_cores() -> None:
    old = {
        "coreName": "a",
        "accessControl": access_control("DlrInference.a", ["mli/predictions/a"]),
    }
    (policy,) = for_all_cores(old, "a")["accessControl"]["aws.greengrass.ipc.mqttproxy"].values()
    assert policy["resources"] == ["mli/predictions/*", "mli/telemetry/*"]
