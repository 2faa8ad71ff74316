"""The template of one core: who it is, what it may do, and what is deployed to it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inference import settings as device
from stacks import names
from stacks.core.iot_policies import MAX_POLICY_CHARACTERS, core_policy, publish_policy
from tests.stacks.configurations import REQUEST
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import (
    CERTIFICATE_ID,
    all_of,
    named,
    only,
    recipe_of,
    resolved,
    template_of,
)

IOT = "arn:aws:iot:ap-southeast-2:123456789012"
CORE = "$aws/things/Demo_Core*"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return template_of(tmp_path_factory.mktemp("core"))


def policy(template: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = {p["PolicyName"]: p for p in all_of(template, "AWS::IoT::Policy")}
    statements: list[dict[str, Any]] = resolved(found[name]["PolicyDocument"]["Statement"])
    return statements


def allow(actions: list[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def test_template_holds_these_resources_and_no_other(template: dict[str, Any]) -> None:
    assert sorted(found["Type"] for found in template["Resources"].values()) == [
        "AWS::DynamoDB::Table",
        "AWS::GreengrassV2::ComponentVersion",
        "AWS::GreengrassV2::Deployment",
        "AWS::IAM::Policy",
        "AWS::IAM::Policy",
        "AWS::IAM::Policy",
        "AWS::IAM::Policy",
        "AWS::IAM::Policy",
        "AWS::IAM::Policy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::Role",
        "AWS::IAM::Role",
        "AWS::IoT::Policy",
        "AWS::IoT::Policy",
        "AWS::IoT::PolicyPrincipalAttachment",
        "AWS::IoT::PolicyPrincipalAttachment",
        "AWS::IoT::RoleAlias",
        "AWS::IoT::Thing",
        "AWS::IoT::ThingGroup",
        "AWS::IoT::ThingPrincipalAttachment",
        "AWS::IoT::TopicRule",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::S3::BucketPolicy",
        "Custom::ArtifactCopies",
        "Custom::ComponentRevision",
        "Custom::IotEndpoints",
        "Custom::KeptComponents",
        "Custom::ThingGroupMembership",
    ]


def test_thing_is_named_after_the_core(template: dict[str, Any]) -> None:
    assert only(template, "AWS::IoT::Thing") == {"ThingName": "Demo_Core"}


def test_core_policy_is_the_minimum_of_a_v2_core(template: dict[str, Any]) -> None:
    assert policy(template, "Demo_CorePolicy") == [
        allow(["iot:Connect"], f"{IOT}:client/Demo_Core*"),
        allow(
            ["iot:Publish", "iot:Receive"],
            f"{IOT}:topic/{CORE}/greengrass/health/json",
            f"{IOT}:topic/{CORE}/greengrassv2/health/json",
            f"{IOT}:topic/{CORE}/jobs/*",
            f"{IOT}:topic/{CORE}/shadow/*",
        ),
        allow(
            ["iot:Subscribe"],
            f"{IOT}:topicfilter/{CORE}/jobs/*",
            f"{IOT}:topicfilter/{CORE}/shadow/*",
        ),
        allow(["iot:AssumeRoleWithCertificate"], "<TokenExchangeAlias.RoleAliasArn>"),
        allow(
            [
                "greengrass:GetComponentVersionArtifact",
                "greengrass:GetDeploymentConfiguration",
                "greengrass:ListThingGroupsForCoreDevice",
                "greengrass:ResolveComponentCandidates",
            ],
            "*",
        ),
    ]


def test_core_publishes_on_its_own_topics_only(template: dict[str, Any]) -> None:
    assert policy(template, "Demo_PublishPolicy") == [
        allow(
            ["iot:Publish"],
            f"{IOT}:topic/mli/predictions/Demo",
            f"{IOT}:topic/mli/telemetry/Demo",
            f"{IOT}:topic/feedback/message/prediction",
            f"{IOT}:topic/feedback/message/status",
        )
    ]


def test_only_a_core_with_previews_may_publish_them(tmp_path: Path) -> None:
    found = template_of(tmp_path, previewInterval=10)
    preview = "mli/preview/Demo"
    [statement] = policy(found, "Demo_PublishPolicy")
    assert f"{IOT}:topic/{preview}" in statement["Resource"]
    access = recipe_of(found)["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    [rule] = access["aws.greengrass.ipc.mqttproxy"].values()
    assert preview in rule["resources"]


def test_policies_of_the_longest_core_name_fit_in_aws_iot(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = "n" * 64

    def arn(service: str, resource: str) -> str:
        return f"arn:aws-us-gov:{service}:us-gov-west-1:123456789012:{resource}"

    monkeypatch.setattr("stacks.core.iot_policies.regional_arn", arn)
    alias = arn("iot", f"rolealias/{names.role_alias_name(longest)}")
    for document in (
        core_policy(thing_name=names.thing_name(longest), role_alias_arn=alias),
        publish_policy(names.published_topics(longest, previews=True)),
    ):
        size = len(json.dumps(document, separators=(",", ":")))
        assert size <= MAX_POLICY_CHARACTERS


@pytest.mark.parametrize("kind", ["Policy", "Thing"])
def test_certificate_is_attached(template: dict[str, Any], kind: str) -> None:
    attachments = resolved(all_of(template, f"AWS::IoT::{kind}PrincipalAttachment"))
    assert {attached["Principal"] for attached in attachments} == {f"{IOT}:cert/{CERTIFICATE_ID}"}
    expected = {
        "Policy": [{"PolicyName": "<CoreCorePolicy>"}, {"PolicyName": "<CorePublishPolicy>"}],
        "Thing": [{"ThingName": "<CoreThing>"}],
    }
    for attached in attachments:
        del attached["Principal"]
    assert attachments == expected[kind]


def test_certificate_arn_is_used_as_it_is(tmp_path: Path) -> None:
    arn = f"arn:aws:iot:eu-west-1:210987654321:cert/{CERTIFICATE_ID}"
    template = template_of(tmp_path, certificateId=arn)
    attached = only(template, "AWS::IoT::ThingPrincipalAttachment")
    assert attached["Principal"] == arn


def core_role(template: dict[str, Any]) -> dict[str, Any]:
    """The token exchange role."""
    role = named(template, "TokenExchangeRole")
    assert role is not None
    found: dict[str, Any] = resolved(role["Properties"])
    return found


def test_core_gets_credentials_for_its_artifacts_its_logs_and_its_samples(
    template: dict[str, Any],
) -> None:
    role = core_role(template)
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
        }
    ]
    assert "ManagedPolicyArns" not in role
    (inline,) = role["Policies"]
    statements = inline["PolicyDocument"]["Statement"]
    allowed = {one["Sid"]: (one["Action"], one["Resource"]) for one in statements}
    logs = ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"]
    bucket = "<FeedbackBucket.Arn>"
    assert {sid: (action, sorted(where)) for sid, (action, where) in allowed.items()} == {
        "WriteLogs": (
            [f"logs:{action}" for action in logs],
            sorted("arn:aws:logs:ap-southeast-2:123456789012:log-group:/aws/greengrass/*"),
        ),
        "FindArtifacts": ("s3:GetBucketLocation", sorted("<StoreBucket.Arn>")),
        "ReadArtifacts": ("s3:GetObject", sorted("<StoreBucket.Arn>/DlrInference.Demo/*")),
        "WriteSamples": (
            "s3:PutObject",
            [
                f"{bucket}/confidence-lower-than-50/*",
                f"{bucket}/entropy/*",
                f"{bucket}/random-sampling/*",
            ],
        ),
    }


def test_role_alias_gives_that_role(template: dict[str, Any]) -> None:
    alias = resolved(only(template, "AWS::IoT::RoleAlias"))
    assert alias == {"RoleAlias": "Demo_CoreRoleAlias", "RoleArn": "<TokenExchangeRole.Arn>"}


def test_deployment_names_the_component_and_overwrites_its_configuration(
    template: dict[str, Any],
) -> None:
    deployment = resolved(only(template, "AWS::GreengrassV2::Deployment"))
    assert deployment["TargetArn"] == "<Group.Arn>"
    ((name, component),) = deployment["Components"].items()
    recipe = recipe_of(template)
    assert name == recipe["ComponentName"] == "DlrInference.Demo"
    assert component["ComponentVersion"] == "<InferenceVersion.ComponentVersion>"
    update = component["ConfigurationUpdate"]
    assert update["Reset"] == [""]
    merged = json.loads(update["Merge"])
    defaults = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    assert merged["coreName"] == defaults["coreName"]
    settings = device.InferenceSettings.from_configuration(
        json.loads(update["Merge"].replace("<FeedbackBucket>", "samples"))
    )
    assert settings.core_name == "Demo"
    assert settings.feedback is not None
    assert {one.bucket for one in settings.feedback.all} == {"samples"}


def test_deployment_rolls_back_and_in_bounded_time(template: dict[str, Any]) -> None:
    deployment = only(template, "AWS::GreengrassV2::Deployment")
    policies = deployment["DeploymentPolicies"]
    assert policies["FailureHandlingPolicy"] == "ROLLBACK"
    assert policies["ComponentUpdatePolicy"]["TimeoutInSeconds"] == 60
    assert policies["ConfigurationValidationPolicy"]["TimeoutInSeconds"] == 60
    minutes = deployment["IotJobConfiguration"]["TimeoutConfig"]["InProgressTimeoutInMinutes"]
    install = recipe_of(template)["Manifests"][0]["Lifecycle"]["install"]
    assert minutes * 60 > install["Timeout"]


def test_core_has_its_permissions_before_its_deployment(template: dict[str, Any]) -> None:
    (deployment,) = (
        found
        for found in template["Resources"].values()
        if found["Type"] == "AWS::GreengrassV2::Deployment"
    )
    waited_for = {template["Resources"][name]["Type"] for name in deployment["DependsOn"]}
    assert waited_for >= {
        "AWS::IAM::Role",
        "AWS::IoT::PolicyPrincipalAttachment",
        "AWS::IoT::ThingPrincipalAttachment",
        "Custom::KeptComponents",
        "Custom::ThingGroupMembership",
    }


def test_core_is_the_only_member_of_its_own_group(template: dict[str, Any]) -> None:
    assert only(template, "AWS::IoT::ThingGroup") == {"ThingGroupName": "Demo_Group"}
    membership = resolved(only(template, "Custom::ThingGroupMembership"))
    assert membership["ThingName"] == "<CoreThing>"
    assert membership["ThingGroupName"] == "Demo_Group"


def test_membership_may_be_changed_of_this_thing_and_this_group_only(
    template: dict[str, Any],
) -> None:
    (statement,) = (
        statement
        for found in resolved(all_of(template, "AWS::IAM::Policy"))
        for statement in found["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "Membership"
    )
    assert statement["Action"] == ["iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"]
    assert sorted(statement["Resource"]) == ["<CoreThing.Arn>", "<Group.Arn>"]


def test_component_version_outlives_the_stack(template: dict[str, Any]) -> None:
    (version,) = (
        found
        for found in template["Resources"].values()
        if found["Type"] == "AWS::GreengrassV2::ComponentVersion"
    )
    assert version["UpdateReplacePolicy"] == "Retain"
    assert version["DeletionPolicy"] == "RetainExceptOnCreate"


def test_certificate_is_created_from_a_signing_request() -> None:
    template = configuration("v2-request-and-bundled")
    made = only(template, "AWS::IoT::Certificate")
    assert made["Status"] == "ACTIVE"
    assert made["CertificateSigningRequest"] == REQUEST.read_text()
    for kind in ("Policy", "Thing"):
        for attached in all_of(template, f"AWS::IoT::{kind}PrincipalAttachment"):
            assert resolved(attached["Principal"]) == "<CoreCertificate.Arn>"
    output = template["Outputs"]["CertificateId"]["Value"]
    assert resolved(output) == "<CoreCertificate.Id>"


def test_without_feedback_nothing_of_it_is_left() -> None:
    template = configuration("v2-without-feedback")
    text = json.dumps(template)
    assert "eedback" not in text
    assert "s3:PutObject" not in str(core_role(template))
    resources = policy(template, "Demo_PublishPolicy")[0]["Resource"]
    assert [name.rpartition(":")[2] for name in resources] == [
        "topic/mli/predictions/Demo",
        "topic/mli/telemetry/Demo",
    ]


def test_stack_names_of_different_cores_differ() -> None:
    cores = ["Demo", "Demo_1", "Demo-1", "demo", "Demo_1-a", "Demo-1_a"]
    stacks = {names.stack_name(core) for core in cores}
    assert len(stacks) == len(cores)
    assert all("_" not in stack for stack in stacks)
    assert names.stack_name("Demo") == "DlrInference-Demo"


@pytest.mark.parametrize("core_name", ["Demo", "a_b", "Demo-Simulator"])
def test_no_core_has_the_stack_of_another_s_simulator(core_name: str) -> None:
    """Deploying one of them would replace the other's resources."""
    simulator = names.simulator_stack_name(core_name)
    assert names.stack_name(simulator.removeprefix("DlrInference-")) != simulator


def test_newest_telemetry_is_kept_for_this_core_only(template: dict[str, Any]) -> None:
    rule = resolved(only(template, "AWS::IoT::TopicRule"))
    assert rule["RuleName"] == "DlrInference_Demo"
    payload = rule["TopicRulePayload"]
    assert payload["AwsIotSqlVersion"] == "2016-03-23"
    assert payload["Sql"].endswith(" FROM 'mli/telemetry/Demo'")
    (action,) = payload["Actions"]
    assert action["DynamoDBv2"]["PutItem"] == {"TableName": "<LastWordsTable>"}
    role = named(template, "LastWordsRole")
    assert role is not None
    (statement,) = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "dynamodb:PutItem"
    assert resolved(statement["Resource"]) == "<LastWordsTable.Arn>"


def test_rules_of_different_stacks_have_different_and_valid_names() -> None:
    stacks = [names.stack_name(one) for one in ("a-b", "a_b", "x" * 64)]
    stacks += [names.fleet_stack_name(one) for one in ("a-b", "a_b", "x" * 64)]
    rules = [names.rule_name(one) for one in stacks]
    assert len(set(rules)) == len(rules)
    assert all(re.fullmatch(r"[a-zA-Z0-9_]{1,128}", one) for one in rules)
