"""The stack of a fleet: what its cores share, without a core."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app import add_stacks
from stacks import names
from stacks.generations import read_settings
from stacks.nag_checks import add_checks
from tests.conftest import REPOSITORY
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import (
    all_of,
    named,
    new_app,
    only,
    recipe_of,
    resolved,
    templates_of,
)

STACK = "DlrInferenceFleet-shop-floor"
THING = "${credentials-iot:ThingName}"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return configuration("v2-fleet", STACK)


def fleet_of(folder: Path, **values: object) -> dict[str, Any]:
    """The template of a fleet with this context."""
    context = {"fleetName": "shop-floor", "modelS3Uri": "s3://bucket/model.tar.gz", **values}
    return templates_of(folder / "cdk.out", context)[STACK]


def writable(template: dict[str, Any]) -> list[str]:
    """What the cores' role may write."""
    role = named(template, "TokenExchangeRole")
    assert role is not None
    (found,) = (
        one["Resource"]
        for one in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        if one["Sid"] == "WriteSamples"
    )
    return sorted(resolved(found if isinstance(found, list) else [found]))


def test_stack_of_a_fleet_is_protected_from_deletion_and_that_of_a_core_is_not(
    tmp_path: Path,
) -> None:
    owners = {"fleet": {"fleetName": "F"}, "core": {"coreName": "C", "certificateId": "0" * 64}}
    found = {}
    for owner, context in owners.items():
        app = new_app(tmp_path / owner)
        add_stacks(app, read_settings({**context, "modelS3Uri": "s3://bucket/model.tar.gz"}))
        [stack] = app.synth().stacks
        found[owner] = bool(stack.termination_protection)
    assert found == {"fleet": True, "core": False}


def test_fleet_has_what_a_core_has_but_for_the_core(template: dict[str, Any]) -> None:
    core, fleet = (
        Counter(one["Type"] for one in found["Resources"].values())
        for found in (configuration("v2"), template)
    )
    assert core - fleet == {
        "AWS::IoT::Policy": 1,  # that of claims takes the place of one
        "AWS::IoT::PolicyPrincipalAttachment": 2,
        "AWS::IoT::Thing": 1,
        "AWS::IoT::ThingPrincipalAttachment": 1,
        "Custom::ThingGroupMembership": 1,
    }
    assert fleet - core == {
        "AWS::IAM::Policy": 3,
        "AWS::IAM::Role": 2,
        "AWS::IoT::ProvisioningTemplate": 1,
        "AWS::Lambda::Function": 1,
        "AWS::Lambda::Permission": 1,
        "AWS::Logs::LogGroup": 1,
        "Custom::FleetMembers": 1,
        "Custom::FleetProtection": 1,
    }


def test_group_is_named_after_the_fleet(template: dict[str, Any]) -> None:
    assert only(template, "AWS::IoT::ThingGroup") == {"ThingGroupName": "shop-floor"}
    deployment = resolved(only(template, "AWS::GreengrassV2::Deployment"))
    assert deployment["DeploymentName"] == STACK
    assert list(deployment["Components"]) == ["DlrInferenceFleet.shop-floor"]


def test_component_may_publish_on_the_topics_of_every_core(template: dict[str, Any]) -> None:
    recipe = recipe_of(template)
    configured = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    assert configured["coreName"] == "*"
    (policy,) = configured["accessControl"]["aws.greengrass.ipc.mqttproxy"].values()
    assert policy["resources"] == [
        "mli/predictions/*",
        "mli/telemetry/*",
        "feedback/message/prediction",
        "feedback/message/status",
    ]


def test_deployment_repeats_no_permission_of_the_recipe(template: dict[str, Any]) -> None:
    deployment = resolved(only(template, "AWS::GreengrassV2::Deployment"))
    (component,) = deployment["Components"].values()
    merge = json.loads(component["ConfigurationUpdate"]["Merge"])
    assert merge["coreName"] == "*"
    assert "accessControl" not in merge


def test_each_core_writes_samples_below_its_own_thing_s_name_only(
    template: dict[str, Any],
) -> None:
    assert writable(template) == [
        f"<FeedbackBucket.Arn>/{prefix}/{THING}/*"
        for prefix in ("confidence-lower-than-50", "entropy", "random-sampling")
    ]


def test_samples_in_a_bucket_of_the_user_are_apart_too(tmp_path: Path) -> None:
    """There the ARN is a substitution of CloudFormation, which must leave IAM's variable alone."""
    all_samples = {"All": {"content-type": "image/jpeg"}}
    template = fleet_of(
        tmp_path, feedbackBucketName="samples", feedbackConfiguration=json.dumps(all_samples)
    )
    assert "${!credentials-iot:ThingName}" in json.dumps(template)
    assert writable(template) == [f"arn:aws:s3:::samples/{THING}/*"]


def test_wildcards_of_samples_in_a_bucket_of_the_user_have_a_reason(tmp_path: Path) -> None:
    app = new_app(tmp_path / "cdk.out")
    context = {"fleetName": "a", "modelS3Uri": "s3://b-b/m.zip", "feedbackBucketName": "samples"}
    add_stacks(app, read_settings(context))
    add_checks(app)
    app.synth()  # raises for a finding of cdk-nag


def test_role_alias_of_a_fleet_is_not_that_of_a_core(template: dict[str, Any]) -> None:
    alias = resolved(only(template, "AWS::IoT::RoleAlias"))
    assert alias == {
        "RoleAlias": "shop-floor_FleetRoleAlias",
        "RoleArn": "<TokenExchangeRole.Arn>",
    }


def test_nothing_that_cores_need_is_deleted_before_the_fleet_is_empty(
    template: dict[str, Any],
) -> None:
    guard = named(template, "GroupMembers")
    assert guard is not None
    assert guard["Properties"]["ThingGroupName"] == "shop-floor"
    kept = {template["Resources"][name]["Type"] for name in guard["DependsOn"]}
    assert kept >= {
        "AWS::DynamoDB::Table",
        "AWS::GreengrassV2::ComponentVersion",
        "AWS::GreengrassV2::Deployment",
        "AWS::IAM::Role",
        "AWS::IoT::Policy",
        "AWS::IoT::ProvisioningTemplate",
        "AWS::IoT::RoleAlias",
        "AWS::IoT::ThingGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
    }
    policy = named(template, "GroupPolicy")
    assert policy is not None
    allowed = {
        statement["Action"]: resolved(statement["Resource"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    assert allowed == {
        "iot:ListThingsInThingGroup": "<Group.Arn>",
        "iot:ListTargetsForPolicy": (
            "arn:aws:iot:ap-southeast-2:123456789012:policy/shop-floor_ClaimPolicy"
        ),
    }


def test_outputs_have_a_place_for_the_name_of_a_core(template: dict[str, Any]) -> None:
    outputs = {key: resolved(one["Value"]) for key, one in template["Outputs"].items()}
    assert outputs.keys() == {
        "ClaimPolicy",
        "CommandToRedeploy",
        "CorePolicies",
        "DeploymentTarget",
        "FeedbackBucket",
        "GreengrassConfig",
        "PredictionTopic",
        "TelemetryTable",
        "ProvisioningTemplate",
    }
    assert outputs["PredictionTopic"] == "mli/predictions/<coreName>"
    lite = json.loads(outputs["GreengrassConfig"])["lite"]
    assert lite["system"]["thingName"] == "<coreName>_Core"


def test_template_of_a_fleet_names_no_core_of_it(template: dict[str, Any]) -> None:
    assert "Custom::ThingGroupMembership" not in json.dumps(template)
    assert all_of(template, "AWS::IoT::Thing") == []


def test_core_and_fleet_of_one_name_share_nothing() -> None:
    core, fleet = names.StackNames.of_core("Demo"), names.StackNames.of_fleet("Demo")
    for name in ("stack", "component", "thing_group", "role_alias"):
        assert getattr(core, name) != getattr(fleet, name)
    fleets = ["a_b", "a-b", "Fleet-a", "a"]
    stacks = {names.fleet_stack_name(one) for one in fleets}
    stacks |= {names.stack_name(one) for one in fleets}
    assert len(stacks) == 2 * len(fleets)


def test_newest_telemetry_is_kept_of_the_fleet_s_own_component(template: dict[str, Any]) -> None:
    rule = resolved(only(template, "AWS::IoT::TopicRule"))
    assert rule["TopicRulePayload"]["Sql"].endswith(
        " FROM 'mli/telemetry/+' WHERE component = 'DlrInferenceFleet.shop-floor'"
    )


def canary_of(folder: Path, **values: object) -> dict[str, Any]:
    rollout = json.dumps({"canary": {"waitInMinutes": 30}})
    return fleet_of(folder, rollout=rollout, **values)


def ids_of(template: dict[str, Any], resource_type: str) -> set[str]:
    """The logical ids of every resource of this type."""
    found = template["Resources"].items()
    return {name for name, one in found if one["Type"] == resource_type}


def test_canary_gets_each_deployment_before_the_fleet(tmp_path: Path) -> None:
    template = canary_of(tmp_path)
    groups = {
        one["ThingGroupName"] for one in map(resolved, all_of(template, "AWS::IoT::ThingGroup"))
    }
    assert groups == {"shop-floor", "shop-floor-canary"}
    deployments = ids_of(template, "AWS::GreengrassV2::Deployment")
    first, second = (
        next(name for name in deployments if name.startswith(prefix))
        for prefix in ("CanaryDeployment", "Deployment")
    )
    (verdict,) = ids_of(template, "AWS::CloudFormation::WaitCondition")
    resources = template["Resources"]
    assert resources[verdict]["Properties"]["Timeout"] == "1800"
    assert first in resources[verdict]["DependsOn"]
    assert verdict in resources[second]["DependsOn"]
    assert verdict not in resources[first]["DependsOn"]
    one, other = (dict(resources[name]["Properties"]) for name in (first, second))
    assert one.pop("TargetArn") != other.pop("TargetArn")
    assert one == other
    assert "CanaryTarget" in template["Outputs"]
    for look_up in all_of(template, "Custom::KeptComponents"):
        assert look_up["ThingGroups"] == ["shop-floor", "shop-floor-canary"]


def test_each_content_waits_for_a_verdict_of_its_own(tmp_path: Path) -> None:
    first, changed = (
        ids_of(canary_of(tmp_path / str(top), topK=top), "AWS::CloudFormation::WaitCondition")
        for top in (3, 4)
    )
    assert first.isdisjoint(changed)


def test_stack_stays_while_the_canary_has_cores(tmp_path: Path) -> None:
    members = [resolved(one) for one in all_of(canary_of(tmp_path), "Custom::FleetMembers")]
    assert {one["ThingGroupName"] for one in members} == {"shop-floor", "shop-floor-canary"}


def test_canary_passes_the_checks_and_is_documented(tmp_path: Path) -> None:
    app = new_app(tmp_path / "cdk.out")
    context = {"fleetName": "a", "modelS3Uri": "s3://b-b/m.zip", "rollout": '{"canary": {}}'}
    add_stacks(app, read_settings(context))
    add_checks(app)
    app.synth()  # raises for a finding of cdk-nag
    text = (REPOSITORY / "docs" / "resources.md").read_text(encoding="utf-8")
    kinds = {one["Type"] for one in canary_of(tmp_path / "other")["Resources"].values()}
    assert all(f"`{kind}`" in text for kind in kinds - {"AWS::CloudFormation::WaitConditionHandle"})
