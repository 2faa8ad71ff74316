"""What our handlers of AWS::GreengrassV2::ComponentVersion and Deployment refuse, as AWS does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from tests.cloud.support import Device, StackError, Stacks, recipe
from tests.cloud.v2_templates import component_version, deployment


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ComponentVersion": "1.0"}, "must be x.y.z"),
        ({"ComponentVersion": "1.0.0-rc1"}, "must be x.y.z"),
        ({"ComponentVersion": "1.0.1234567"}, "must be x.y.z"),
        ({"ComponentName": "with space"}, "ComponentName 'with space' must match"),
        ({"ComponentName": "n" * 129}, "at most 128"),
        ({"ComponentName": "aws.mine"}, "AWS's own"),
        ({"RecipeFormatVersion": "2021-01-25"}, "RecipeFormatVersion must be"),
        ({"Manifest": []}, "Manifest is not known"),
        ({"ComponentDependencies": {"a": {"VersionRequirement": "soon"}}}, "not a version req"),
        ({"ComponentType": "generic"}, "ComponentType is 'generic'"),
    ],
)
def test_component_version_that_aws_would_refuse_is_refused_by_our_handler(
    stacks: Stacks, stack: str, artifact: str, name: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, {"C": component_version(recipe(name, "1.0.0", artifact, **changes))})


def test_recipe_that_is_no_json_is_refused(stacks: Stacks, stack: str) -> None:
    with pytest.raises(StackError, match="neither JSON nor YAML"):
        stacks.deploy(stack, {"C": component_version('{"RecipeFormatVersion": [}')})


@pytest.mark.parametrize(
    ("artifact_changes", "reason"),
    [
        ({"Uri": "s3://artifacts/missing.zip"}, "missing.zip = Specified artifact resource cannot"),
        ({"Uri": "s3://no-such-bucket/a.zip"}, "a.zip = Specified artifact resource cannot"),
        ({"Uri": "https://example.com/a.zip"}, "must be s3://bucket/key"),
        ({"Unarchive": "TAR"}, "Unarchive is 'TAR', not one of NONE, ZIP"),
        ({"Permission": {"Read": "WORLD"}}, "Permission.Read is 'WORLD'"),
    ],
)
def test_component_version_with_a_wrong_artifact_is_refused_by_our_handler(
    stacks: Stacks,
    stack: str,
    artifact: str,
    name: str,
    artifact_changes: dict[str, Any],
    reason: str,
) -> None:
    content = recipe(name, "1.0.0", artifact)
    content["Manifests"][0]["Artifacts"][0].update(artifact_changes)
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, {"C": component_version(content)})


def test_component_version_that_exists_is_refused_with_its_state(
    cloud: LocalCloud, stacks: Stacks, stack: str, artifact: str, name: str
) -> None:
    text = json.dumps(recipe(name, "1.0.0", artifact)).encode()
    cloud.client("greengrassv2").create_component_version(inlineRecipe=text)
    with pytest.raises(StackError, match=r"already exists with state: \[DEPLOYABLE\]"):
        stacks.deploy(stack, {"C": component_version(text.decode())})
    with pytest.raises(ClientError, match="ConflictException"):
        cloud.client("greengrassv2").create_component_version(inlineRecipe=text)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"TargetArn": "arn:aws:iot:us-east-1:000000000000:thing/nobody"}, "does not exist"),
        (
            {"TargetArn": "arn:aws:iot:us-east-1:000000000000:thinggroup/nobody"},
            "thinggroup/nobody does not exist",
        ),
        ({"TargetArn": "a-thing"}, "targetArn is 'a-thing', which does not match"),
        (
            {"Components": {"no.such": {"ComponentVersion": "1.0.0"}}},
            "no.such has no version 1.0.0",
        ),
        (
            {"Components": {"aws.greengrass.LogManger": {"ComponentVersion": "2.3.9"}}},
            "aws.greengrass.LogManger has no version 2.3.9",
        ),
        ({"Components": {"a": {}}}, r"components\[a\].componentVersion is required"),
        ({"DeploymentPolicies": {"FailureHandlingPolicy": "RETRY"}}, "not one of ROLLBACK"),
        ({"Priority": 1}, "Priority is not known"),
    ],
)
def test_deployment_that_aws_would_refuse_is_refused_by_our_handler(
    stacks: Stacks,
    stack: str,
    artifact: str,
    name: str,
    device: Device,
    changes: dict[str, Any],
    reason: str,
) -> None:
    component = component_version(recipe(name, "1.0.0", artifact))
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, {"C": component, "D": deployment(device, name=name, **changes)})


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"merge": "{"}, "is not JSON"),
        ({"merge": "[]"}, "is not a JSON object"),
        ({"reset": ["threshold"]}, "is not a JSON pointer"),
    ],
)
def test_configuration_update_that_is_malformed_is_refused(
    cloud: LocalCloud, device: Device, update: dict[str, Any], reason: str
) -> None:
    component = {"componentVersion": "2.0.3", "configurationUpdate": update}
    with pytest.raises(ClientError, match=reason):
        cloud.client("greengrassv2").create_deployment(
            targetArn=device.thing_arn,
            components={"aws.greengrass.TokenExchangeService": component},
        )
