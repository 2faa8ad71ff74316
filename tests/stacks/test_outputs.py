"""What a user reads from a deployed V2 core."""

import json
import re
from typing import Any

import botocore.session
import pytest

from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import resolved


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return configuration("v2")


def outputs_of(template: dict[str, Any]) -> dict[str, str]:
    return {key: resolved(output["Value"]) for key, output in template["Outputs"].items()}


def test_outputs_are_these_and_no_other(template: dict[str, Any]) -> None:
    outputs = outputs_of(template)
    assert outputs.keys() == {
        "GreengrassConfig",
        "CommandToRedeploy",
        "DeploymentTarget",
        "PredictionTopic",
        "FeedbackBucket",
        "TelemetryTable",
    }
    assert outputs["DeploymentTarget"] == "<Group.Arn>"
    assert outputs["PredictionTopic"] == "mli/predictions/Demo"
    assert outputs["FeedbackBucket"] == "<FeedbackBucket>"


def test_configuration_of_each_nucleus_has_the_account_s_endpoints(
    template: dict[str, Any],
) -> None:
    configuration = json.loads(outputs_of(template)["GreengrassConfig"])
    endpoints = {
        "awsRegion": "ap-southeast-2",
        "iotRoleAlias": "<TokenExchangeAlias>",
        "iotDataEndpoint": "<Endpoints.Data>",
        "iotCredEndpoint": "<Endpoints.Credentials>",
    }
    classic, lite = configuration["classic"], configuration["lite"]
    nucleus = classic["services"]["aws.greengrass.Nucleus"]
    assert nucleus["configuration"] == endpoints
    assert nucleus["componentType"] == "NUCLEUS"
    assert classic["system"] == {
        "certificateFilePath": "/greengrass/v2/device.pem.crt",
        "privateKeyPath": "/greengrass/v2/private.pem.key",
        "rootCaPath": "/greengrass/v2/AmazonRootCA1.pem",
        "rootpath": "/greengrass/v2",
        "thingName": "<CoreThing>",
    }
    nucleus = lite["services"]["aws.greengrass.NucleusLite"]
    assert nucleus["configuration"].items() >= endpoints.items()
    assert nucleus["configuration"]["runWithDefault"]["posixUser"] == "gg_component:gg_component"
    assert lite["system"]["rootPath"] == "/var/lib/greengrass"


def test_command_shows_the_deployment_and_repeats_what_the_service_accepts(
    template: dict[str, Any],
) -> None:
    command = outputs_of(template)["CommandToRedeploy"]
    assert "get-deployment --region ap-southeast-2 --deployment-id <Deployment.DeploymentId>" in (
        command
    )
    query = re.search(r"--query '\{(.+)\}'", command)
    assert query
    copied = {part.split(": ")[1] for part in query[1].split(", ")}
    service = botocore.session.get_session().get_service_model("greengrassv2")
    assert copied <= service.operation_model("GetDeployment").output_shape.members.keys()
    assert copied <= service.operation_model("CreateDeployment").input_shape.members.keys()
