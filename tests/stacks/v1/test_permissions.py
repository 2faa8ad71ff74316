"""What each role and the core's certificate may do in the first generation, and nothing more."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks import names
from stacks.core import iot_policies
from stacks.v1.core_policy import broker_policy, greengrass_policy
from tests.stacks.synthesis import all_of, only, resolved
from tests.stacks.v1.groups import group_template

ACCOUNT = "123456789012"
LOGS = f"arn:aws:logs:ap-southeast-2:{ACCOUNT}:log-group:/aws/greengrass"
LAMBDA_LOGS = f"{LOGS}/Lambda/ap-southeast-2"
GROUPS = f"arn:aws:greengrass:ap-southeast-2:{ACCOUNT}:/greengrass/groups"
LOG_ACTIONS = [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
]


def role(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [
        resolved(resource["Properties"])
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role" and logical_id.startswith(name)
    ]
    return found


def statements(template: dict[str, Any], name: str) -> list[dict[str, Any]]:
    policies = role(template, name).get("Policies", [])
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def test_group_role_is_for_groups_of_this_account(template: dict[str, Any]) -> None:
    assert role(template, "GroupRole")["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"Service": "greengrass.amazonaws.com"},
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"{GROUPS}/*"},
            },
        }
    ]


def test_group_may_write_its_logs_and_its_samples_only(template: dict[str, Any]) -> None:
    assert "ManagedPolicyArns" not in role(template, "GroupRole")
    logs, samples = statements(template, "GroupRole")
    assert (logs["Action"], samples["Action"]) == (LOG_ACTIONS, "s3:PutObject")
    assert sorted(logs["Resource"]) == sorted(
        [
            f"{LOGS}/GreengrassSystem/*",
            f"{LAMBDA_LOGS}/{ACCOUNT}/<Inference>",
            f"{LAMBDA_LOGS}/{ACCOUNT}/<Inference>:*",
            f"{LAMBDA_LOGS}/aws/MLFeedback",
            f"{LAMBDA_LOGS}/aws/MLFeedback:*",
        ]
    )
    assert sorted(samples["Resource"]) == [
        "<FeedbackBucket.Arn>/confidence-lower-than-50/*",
        "<FeedbackBucket.Arn>/entropy/*",
        "<FeedbackBucket.Arn>/random-sampling/*",
    ]


def test_group_writes_below_the_prefixes_of_a_bucket_that_exists(tmp_path: Path) -> None:
    template = group_template(tmp_path, feedbackBucketName="my-samples")
    _, samples = statements(template, "GroupRole")
    assert "arn:aws:s3:::my-samples/entropy/*" in samples["Resource"]
    assert all(one.startswith("arn:aws:s3:::my-samples/") for one in samples["Resource"])


def test_group_without_feedback_writes_to_no_bucket(tmp_path: Path) -> None:
    template = group_template(tmp_path, feedback=False)
    (logs,) = statements(template, "GroupRole")
    assert not [one for one in logs["Resource"] if "MLFeedback" in one]


def test_function_s_role_in_the_cloud_may_do_nothing(template: dict[str, Any]) -> None:
    assert statements(template, "InferenceRole") == []
    assert "ManagedPolicyArns" not in role(template, "InferenceRole")
    attached = [one["Roles"] for one in all_of(template, "AWS::IAM::Policy")]
    assert [{"Ref": "InferenceRole"}] not in resolved(attached)


def test_reset_is_allowed_for_this_group_and_its_own_log(template: dict[str, Any]) -> None:
    (write,) = statements(template, "DeploymentsResetRole")
    assert write["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert write["Resource"] == "<DeploymentsResetLogs.Arn>"
    (policy,) = [
        one
        for one in resolved(all_of(template, "AWS::IAM::Policy"))
        if one["Roles"] == ["<DeploymentsResetRole>"]
    ]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "greengrass:ResetDeployments",
            "Resource": f"{GROUPS}/<Group.Id>",
        },
        {
            "Effect": "Allow",
            "Action": "greengrass:GetDeploymentStatus",
            "Resource": f"{GROUPS}/<Group.Id>/deployments/*",
        },
    ]


def test_policy_of_the_reset_is_replaced_with_the_group_and_outlives_it(
    template: dict[str, Any],
) -> None:
    policies = resolved(all_of(template, "AWS::IAM::Policy"))
    assert "ResetDeployments-<Group.Id>" in {one["PolicyName"] for one in policies}


def test_certificate_may_deploy_its_own_group_only(template: dict[str, Any]) -> None:
    policies = {one["PolicyName"]: one for one in resolved(all_of(template, "AWS::IoT::Policy"))}
    assert policies.keys() == {"Demo_CorePolicy", "Demo_GreengrassPolicy", "Demo_PublishPolicy"}
    statements = policies["Demo_GreengrassPolicy"]["PolicyDocument"]["Statement"]
    own_group = [f"{GROUPS}/<Group.Id>/deployments/*"]
    greengrass, iot = f"arn:aws:greengrass:ap-southeast-2:{ACCOUNT}", "arn:aws:iot:ap-southeast-2"
    connectivity = [
        f"{greengrass}:/greengrass/things/Demo_Core/connectivityInfo",
        f"{iot}:{ACCOUNT}:thing/Demo_Core-*",
    ]
    assert {action: one["Resource"] for one in statements for action in one["Action"]} == {
        "greengrass:AssumeRoleForGroup": ["*"],
        "greengrass:CreateCertificate": ["*"],
        "greengrass:GetDeployment": own_group,
        "greengrass:GetDeploymentArtifacts": own_group,
        "greengrass:UpdateCoreDeploymentStatus": own_group,
        "greengrass:GetConnectivityInfo": connectivity,
        "greengrass:UpdateConnectivityInfo": connectivity,
    }


def test_no_policy_allows_every_action_of_a_service(template: dict[str, Any]) -> None:
    text = json.dumps([one for one in template["Resources"].values() if "S3::" not in one["Type"]])
    assert not [
        service for service in ("iot", "greengrass", "s3", "logs") if f'{service}:*"' in text
    ]


def test_policies_of_the_longest_core_name_fit_in_aws_iot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def arn(service: str, resource: str) -> str:
        return f"arn:aws-us-gov:{service}:ap-southeast-99:123456789012:{resource}"

    monkeypatch.setattr("stacks.v1.core_policy.regional_arn", arn)
    group_id = "01234567-89ab-cdef-0123-456789abcdef"
    thing_name = names.thing_name("n" * 64)
    for document in (
        broker_policy(thing_name=thing_name),
        greengrass_policy(thing_name=thing_name, group_id=group_id),
    ):
        size = len(json.dumps(document, separators=(",", ":")))
        assert size <= iot_policies.MAX_POLICY_CHARACTERS


def test_reset_comes_before_anything_of_the_group_is_deleted(template: dict[str, Any]) -> None:
    (reset,) = [
        one
        for one in template["Resources"].values()
        if one["Type"] == "Custom::GreengrassDeploymentsReset"
    ]
    assert resolved(reset["Properties"]["GroupId"]) == "<Group.Id>"
    before = [template["Resources"][name]["Type"] for name in reset["DependsOn"]]
    assert set(before) == {
        "AWS::Greengrass::GroupVersion",
        "AWS::IAM::Policy",
        "AWS::IoT::PolicyPrincipalAttachment",
        "AWS::IoT::ThingPrincipalAttachment",
    }
    assert before.count("AWS::IoT::PolicyPrincipalAttachment") == 3


def test_reset_has_the_time_of_its_function_and_some_for_the_answer(
    template: dict[str, Any],
) -> None:
    reset = only(template, "Custom::GreengrassDeploymentsReset")
    functions = all_of(template, "AWS::Lambda::Function")
    (function,) = [one for one in functions if one["Description"].startswith("Resets")]
    assert int(reset["ServiceTimeout"]) > function["Timeout"]
