"""The template of a V1 core: each row of what a group consists of."""

import dataclasses
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from inference import schema
from inference.v1.environment import RESOURCE_PREFIX, FunctionEnvironment
from stacks.nag_checks import add_checks
from stacks.v1.group_stack import SHUTDOWN_NOTICE, GreengrassGroupStack
from tests.stacks.synthesis import CERTIFICATE_ID, all_of, findings_of, new_app, only, resolved
from tests.stacks.v1.groups import (
    CONNECTOR,
    group_settings,
    group_stack,
    group_template,
    output,
    the_function,
    the_resource,
    version_of,
)

IOT = "arn:aws:iot:ap-southeast-2:123456789012"
CERTIFICATE_ARN = f"{IOT}:cert/{CERTIFICATE_ID}"
DEFINITIONS = ("Connector", "Core", "Function", "Logger", "Resource", "Subscription")


def test_template_holds_one_group_with_each_definition_and_its_version(
    template: dict[str, Any],
) -> None:
    kinds = Counter(found["Type"] for found in template["Resources"].values())
    assert {kind: n for kind, n in kinds.items() if kind.startswith("AWS::Greengrass::")} == {
        "AWS::Greengrass::Group": 1,
        "AWS::Greengrass::GroupVersion": 1,
        **{f"AWS::Greengrass::{kind}Definition": 1 for kind in DEFINITIONS},
        **{f"AWS::Greengrass::{kind}DefinitionVersion": 1 for kind in DEFINITIONS},
    }


def test_group_version_names_every_definition_version(template: dict[str, Any]) -> None:
    assert resolved(only(template, "AWS::Greengrass::GroupVersion")) == {
        "GroupId": "<Group.Id>",
        "ConnectorDefinitionVersionArn": "<ConnectorsVersion>",
        "CoreDefinitionVersionArn": "<CoresVersion>",
        "FunctionDefinitionVersionArn": "<FunctionsVersion>",
        "LoggerDefinitionVersionArn": "<LoggersVersion>",
        "ResourceDefinitionVersionArn": "<ResourcesVersion>",
        "SubscriptionDefinitionVersionArn": "<SubscriptionsVersion>",
    }


def test_change_creates_a_new_version_and_never_a_new_group(template: dict[str, Any]) -> None:
    group = resolved(only(template, "AWS::Greengrass::Group"))
    assert group == {"Name": "Demo", "RoleArn": "<GroupRole.Arn>"}


def test_core_is_the_thing_with_its_certificate(template: dict[str, Any]) -> None:
    assert only(template, "AWS::IoT::Thing") == {"ThingName": "Demo_Core"}
    attached = resolved(only(template, "AWS::IoT::ThingPrincipalAttachment"))
    assert attached == {"Principal": CERTIFICATE_ARN, "ThingName": "<CoreThing>"}
    assert version_of(template, "CoreDefinition")["Cores"] == [
        {
            "Id": "Demo_Core",
            "ThingArn": "<CoreThing.Arn>",
            "CertificateArn": CERTIFICATE_ARN,
            "SyncShadow": False,
        }
    ]


def test_function_is_long_lived_and_outside_a_container(template: dict[str, Any]) -> None:
    configuration = the_function(template)["FunctionConfiguration"]
    assert configuration["Pinned"] is True
    assert configuration["Environment"]["Execution"] == {"IsolationMode": "NoContainer"}
    assert "DefaultConfig" not in version_of(template, "FunctionDefinition")


def test_function_has_no_property_that_a_container_needs(template: dict[str, Any]) -> None:
    configuration = the_function(template)["FunctionConfiguration"]
    assert "MemorySize" not in configuration
    assert "AccessSysfs" not in configuration["Environment"]
    policies = configuration["Environment"]["ResourceAccessPolicies"]
    assert policies == [{"ResourceId": the_resource(template)["Id"]}]


def test_function_is_the_alias_of_the_version_with_this_content(template: dict[str, Any]) -> None:
    assert the_function(template)["FunctionArn"] == "<InferenceAlias>"
    alias = only(template, "AWS::Lambda::Alias")
    (version,) = [
        name
        for name, found in template["Resources"].items()
        if found["Type"] == "AWS::Lambda::Version"
    ]
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}


def test_other_code_creates_another_lambda_version(
    template: dict[str, Any], tmp_path: Path
) -> None:
    def version(made: dict[str, Any]) -> list[str]:
        resources = made["Resources"]
        return [key for key in resources if resources[key]["Type"] == "AWS::Lambda::Version"]

    assert version(group_template(tmp_path / "same")) == version(template)
    other = group_template(tmp_path / "other", modelProfile="gluoncv-ssd-voc")
    assert version(other) != version(template)


def test_function_runs_what_a_v1_core_runs(template: dict[str, Any]) -> None:
    functions = all_of(template, "AWS::Lambda::Function")
    (function,) = [one for one in functions if one["Runtime"] == "python3.8"]
    assert function["Handler"] == "lambda_function.function_handler"
    assert "Environment" not in function
    assert "LoggingConfig" not in function


def test_environment_says_everything_that_the_settings_say(tmp_path: Path) -> None:
    values = {"confidenceThreshold": 0.25, "topK": 3, "classes": "cat,dog", "imageSource": "/srv/a"}
    settings = group_settings(tmp_path, **values)
    template = group_template(tmp_path, **values)
    variables = the_function(template)["FunctionConfiguration"]["Environment"]["Variables"]
    assert variables["CONFIDENCE_THRESHOLD"] == "0.25"
    assert variables["CLASSES"] == '["cat","dog"]'
    read = FunctionEnvironment.from_variables({**variables, RESOURCE_PREFIX: "/resources"})
    assert read == FunctionEnvironment(
        settings=settings.inference,
        model_path="/dlr_model",
        model_profile="model_profile/profile.json",
        connector="arn:aws:lambda:ap-southeast-2:aws:function:MLFeedback",
    )


def test_model_is_a_read_only_resource_with_an_owner(template: dict[str, Any]) -> None:
    assert the_resource(template) == {
        "Id": "DlrModel",
        "Name": "DlrModel",
        "ResourceDataContainer": {
            "S3MachineLearningModelResourceData": {
                "S3Uri": "s3://greengrass-models/ssd/model.tar.gz",
                "DestinationPath": "/dlr_model",
                "OwnerSetting": {"GroupOwner": "ggc_model", "GroupPermission": "ro"},
            }
        },
    }


def test_model_folder_is_published_as_a_zip_which_a_core_unpacks(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "compiled.so").write_bytes(b"\x7fELF")
    template = group_template(tmp_path, modelS3Uri=None, modelPath=str(folder))
    data = the_resource(template)["ResourceDataContainer"]["S3MachineLearningModelResourceData"]
    bucket = "cdk-hnb659fds-assets-123456789012-ap-southeast-2"
    assert data["S3Uri"].startswith(f"s3://{bucket}/")
    assert data["S3Uri"].endswith(".zip")


@pytest.mark.parametrize(
    ("bucket", "warned"), [("my-greengrass-models", False), ("sagemaker-x", False), ("x-y", True)]
)
def test_bucket_that_the_service_role_may_not_read_is_warned_of(
    tmp_path: Path, bucket: str, warned: bool
) -> None:
    stack = group_stack(tmp_path, modelS3Uri=f"s3://{bucket}/model.zip")
    messages = [entry.data for child in stack.node.find_all() for entry in child.node.metadata]
    assert any("service role" in str(message) for message in messages) is warned


def test_connector_has_the_three_configurations_in_the_stack_s_bucket(
    template: dict[str, Any],
) -> None:
    (connector,) = version_of(template, "ConnectorDefinition")["Connectors"]
    assert connector["ConnectorArn"] == CONNECTOR
    parameters = connector["Parameters"]
    assert parameters["RequestLimit"] == ""
    configurations = json.loads(parameters["FeedbackConfigurationMap"])
    assert list(configurations) == ["RandomSamplingConfiguration", "LC50", "Entropy"]
    assert {one["s3-bucket-name"] for one in configurations.values()} == {"<FeedbackBucket>"}
    assert {key: one["sampling-strategy"] for key, one in configurations.items()} == {
        "RandomSamplingConfiguration": {"strategy-name": "RANDOM_SAMPLING", "rate": 0.5},
        "LC50": {"strategy-name": "LEAST_CONFIDENCE", "threshold": 0.5},
        "Entropy": {"strategy-name": "ENTROPY", "threshold": 1},
    }
    assert configurations["LC50"]["s3-prefix"] == "confidence-lower-than-50"
    assert configurations["Entropy"]["s3-prefix"] == "entropy"


def test_request_limit_is_the_connector_s_text(tmp_path: Path) -> None:
    template = group_template(tmp_path, feedbackRequestLimit=10)
    (connector,) = version_of(template, "ConnectorDefinition")["Connectors"]
    assert connector["Parameters"]["RequestLimit"] == "10"


def test_subscriptions_carry_these_topics_to_the_cloud_and_no_other(
    template: dict[str, Any],
) -> None:
    subscriptions = version_of(template, "SubscriptionDefinition")["Subscriptions"]
    ways = {(one["Source"], one["Subject"], one["Target"]) for one in subscriptions}
    assert ways == {
        ("<InferenceAlias>", "mli/predictions/Demo", "cloud"),
        ("<InferenceAlias>", "mli/telemetry/Demo", "cloud"),
        (CONNECTOR, "feedback/message/prediction", "cloud"),
        (CONNECTOR, "feedback/message/status", "cloud"),
    }
    assert len({one["Id"] for one in subscriptions}) == len(subscriptions) == 4


def test_without_feedback_there_is_no_connector_and_no_bucket(tmp_path: Path) -> None:
    template = group_template(tmp_path, feedback=False)
    types = {found["Type"] for found in template["Resources"].values()}
    assert not any("Connector" in kind or "S3" in kind for kind in types)
    assert "ConnectorDefinitionVersionArn" not in only(template, "AWS::Greengrass::GroupVersion")
    subscriptions = version_of(template, "SubscriptionDefinition")["Subscriptions"]
    assert {one["Subject"].split("/")[0] for one in subscriptions} == {"mli"}
    variables = the_function(template)["FunctionConfiguration"]["Environment"]["Variables"]
    assert not any(name.startswith("FEEDBACK") for name in variables)
    assert "FeedbackBucket" not in template["Outputs"]
    assert "feedback/message" not in json.dumps(all_of(template, "AWS::IoT::Policy"))


def test_logs_go_to_files_and_to_cloudwatch(template: dict[str, Any]) -> None:
    loggers = version_of(template, "LoggerDefinition")["Loggers"]
    assert {(one["Component"], one["Type"], one.get("Space")) for one in loggers} == {
        ("GreengrassSystem", "AWSCloudWatch", None),
        ("GreengrassSystem", "FileSystem", 32_768),
        ("Lambda", "AWSCloudWatch", None),
        ("Lambda", "FileSystem", 32_768),
    }


def test_outputs_are_those_that_a_user_of_the_group_needs(template: dict[str, Any]) -> None:
    values = {name: output(template, name) for name in template["Outputs"]}
    assert json.loads(values.pop("GreengrassConfig")) == {
        "coreThing": {
            "thingArn": "<CoreThing.Arn>",
            "iotHost": "<Endpoints.Data>",
            "ggHost": "greengrass-ats.iot.ap-southeast-2.amazonaws.com",
            "iotMqttPort": 443,
            "iotHttpPort": 443,
            "ggHttpPort": 443,
            "keepAlive": 600,
        },
        "runtime": {"cgroup": {"useSystemd": "yes"}},
        "managedRespawn": False,
        "crypto": {
            "principals": {
                "IoTCertificate": {
                    "certificatePath": "file:///greengrass/certs/CERTIFICATE_NAME_HERE",
                    "privateKeyPath": "file:///greengrass/certs/PRIVATE_KEY_FILENAME_HERE",
                }
            },
            "caPath": "file:///greengrass/certs/AmazonRootCA1.pem",
        },
    }
    command, _, request = values.pop("CommandToDeployGroup").partition(" --cli-input-json ")
    assert command == "aws --region ap-southeast-2 greengrass create-deployment"
    (argument,) = shlex.split(request)
    assert json.loads(argument) == {
        "DeploymentType": "NewDeployment",
        "GroupId": "<Group.Id>",
        "GroupVersionId": "<version id>",
    }
    assert values == {
        "GreengrassGroupID": "<Group.Id>",
        "PredictionTopic": "mli/predictions/Demo",
        "FeedbackBucket": "<FeedbackBucket>",
    }


def test_signing_request_s_certificate_is_the_core_s(tmp_path: Path) -> None:
    request = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
    settings = dataclasses.replace(
        group_settings(tmp_path), certificate=None, certificate_signing_request=request
    )
    stack = GreengrassGroupStack(new_app(tmp_path / "cdk.out"), settings=settings)
    template = dict(Template.from_stack(stack).to_json())
    (core,) = version_of(template, "CoreDefinition")["Cores"]
    assert core["CertificateArn"] == "<CoreCertificate.Arn>"
    assert output(template, "CertificateId") == "<CoreCertificate.Id>"


def test_environment_that_is_too_large_is_refused_before_anything_is_created(
    tmp_path: Path,
) -> None:
    settings = group_settings(tmp_path)
    classes = tuple(f"label number {number:03}" for number in range(190))
    large = dataclasses.replace(settings.inference, classes=classes)
    settings = dataclasses.replace(settings, inference=large)
    app = new_app(tmp_path / "cdk.out")
    with pytest.raises(schema.ConfigurationError) as caught:
        GreengrassGroupStack(app, settings=settings)
    (fault,) = caught.value.faults
    assert fault.key == "classes"
    assert fault.rule.endswith("a function accepts 4096")
    assert not [child for child in app.node.children if isinstance(child, GreengrassGroupStack)]


def test_synthesis_passes_the_checks_with_one_warning(tmp_path: Path) -> None:
    app = new_app(tmp_path / "cdk.out", validated=True)
    GreengrassGroupStack(app, settings=group_settings(tmp_path))
    add_checks(app)
    assert findings_of(app) == [("warning", SHUTDOWN_NOTICE)]
