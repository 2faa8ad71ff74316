"""What our own handlers of AWS::Greengrass::* refuse, as AWS does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.cloud.support import Device, StackError, Stacks
from tests.cloud.v1_templates import FUNCTION, content_of, definition, group_of


def _with(content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return ``content`` with the value at a path of names and numbers; None takes it out."""
    changed = copy.deepcopy(content)
    *parents, last = path.split("/")
    place: Any = changed
    for name in parents:
        place = place[int(name)] if name.isdigit() else place.setdefault(name, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


_MODEL = "Resources/0/ResourceDataContainer/S3MachineLearningModelResourceData"
_CONFIGURATION = "Functions/0/FunctionConfiguration"
_PARAMETERS = "Connectors/0/Parameters"
_UNQUALIFIED = FUNCTION.rpartition(":")[0]


@pytest.mark.parametrize(
    ("kind", "path", "value", "reason"),
    [
        ("Function", "Functions/0/FunctionArn", _UNQUALIFIED, "must be qualified"),
        ("Function", f"{_CONFIGURATION}/MemorySize", 65536, "MemorySize .* is not allowed"),
        ("Function", f"{_CONFIGURATION}/Environment/AccessSysfs", True, "AccessSysfs .* not allow"),
        (
            "Function",
            f"{_CONFIGURATION}/Environment/ResourceAccessPolicies/0/Permission",
            "ro",
            "Permission of the resource model is not allowed",
        ),
        ("Function", "DefaultConfig", None, "MemorySize configuration is required"),
        ("Function", f"{_CONFIGURATION}/Memory", 1, "Memory is not known"),
        ("Function", f"{_CONFIGURATION}/Timeout", "soon", "must be of type integer"),
        ("Function", f"{_CONFIGURATION}/EncodingType", "text", "not one of binary, json"),
        ("Resource", f"{_MODEL}/S3Uri", "s3://models/model", "must name a .tar.gz or .zip"),
        ("Resource", f"{_MODEL}/S3Uri", "s3://my.models/m.zip", "must have no period"),
        ("Resource", f"{_MODEL}/DestinationPath", "model", "must be absolute"),
        ("Resource", f"{_MODEL}/OwnerSetting/GroupPermission", "x", "not one of ro, rw"),
        ("Core", "Cores/0/CertificateArn", "arn:aws:iot:x", "is not such an ARN"),
        ("Subscription", "Subscriptions/0/Subject", "a/#/b", "is not a topic filter"),
        ("Subscription", "Subscriptions/0/Target", FUNCTION, "are the same"),
        ("Logger", "Loggers/0/Space", None, "Space is required"),
        ("Logger", "Loggers/0/Level", "LOUD", "not one of"),
        ("Logger", "Loggers/0/Id", "with space", "does not match"),
        ("Connector", "Connectors/0/ConnectorArn", "arn:aws:x", "is not the ARN of a connector"),
        ("Connector", f"{_PARAMETERS}/RequestLimit", "many", "RequestLimit 'many' does not match"),
        ("Connector", f"{_PARAMETERS}/FeedbackConfigurationMap", "[]", "is not a JSON object"),
        (
            "Connector",
            f"{_PARAMETERS}/FeedbackConfigurationMap",
            '{"A_B": {"s3-bucket-name": "b"}}',
            "configuration id 'A_B' does not match.*s3-bucket-name is req.*content-type is req",
        ),
    ],
)
def test_definition_that_aws_would_refuse_is_refused_by_our_handler(
    stacks: Stacks, stack: str, device: Device, kind: str, path: str, value: Any, reason: str
) -> None:
    content = _with(content_of(device)[kind], path, value)
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, {"D": definition(kind, content)})


def test_nested_destination_paths_are_refused(stacks: Stacks, stack: str, device: Device) -> None:
    content = content_of(device)["Resource"]
    content["Resources"].append(
        _with(content, f"{_MODEL}/DestinationPath", "/model/nested")["Resources"][0] | {"Id": "two"}
    )
    with pytest.raises(StackError, match="are equal or nested"):
        stacks.deploy(stack, {"D": definition("Resource", content)})


def test_resource_without_owner_is_refused_for_a_function_without_container(
    stacks: Stacks, stack: str, device: Device
) -> None:
    content = content_of(device)
    content["Resource"] = _with(content["Resource"], f"{_MODEL}/OwnerSetting", None)
    with pytest.raises(StackError, match="must have an OwnerSetting"):
        stacks.deploy(stack, group_of(content))


def owned_by_the_default_group(device: Device) -> Any:
    """Return a group whose model belongs to the Linux group in which functions run."""
    content = content_of(device)
    owner = f"{_MODEL}/OwnerSetting/GroupOwner"
    return {**content, "Resource": _with(content["Resource"], owner, "ggc_group")}


def test_owner_in_whose_group_a_connector_runs_is_refused(
    stacks: Stacks, stack: str, device: Device
) -> None:
    content = owned_by_the_default_group(device)
    reason = r"MLFeedback/versions/1 gains access to resource model by sharing the same group owner"
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, group_of(content))


def test_owner_in_whose_group_only_the_model_s_function_runs_is_accepted(
    stacks: Stacks, stack: str, device: Device
) -> None:
    content = owned_by_the_default_group(device)
    del content["Connector"]
    stacks.deploy(stack, group_of(content))


def test_subscription_from_outside_the_group_is_refused(
    stacks: Stacks, stack: str, device: Device
) -> None:
    content = content_of(device)
    other = FUNCTION.replace("inference", "other")
    content["Subscription"] = _with(content["Subscription"], "Subscriptions/0/Source", other)
    with pytest.raises(StackError, match=r"Source .*other:live is not in the group"):
        stacks.deploy(stack, group_of(content))


def test_definition_version_that_does_not_exist_is_refused(
    stacks: Stacks, stack: str, device: Device
) -> None:
    resources = group_of({"Core": content_of(device)["Core"]})
    resources["Version"]["Properties"]["LoggerDefinitionVersionArn"] = "arn:aws:greengrass:x"
    with pytest.raises(StackError, match="arn:aws:greengrass:x does not exist"):
        stacks.deploy(stack, resources)


_JOB = "arn:aws:sagemaker:us-east-1:000000000000:training-job/pets"
_CLASSIFIER = "Connectors/1/Parameters"
_TRAINED = "Resources/1/ResourceDataContainer/SageMakerMachineLearningModelResourceData"


def _with_classifier(device: Device) -> dict[str, Any]:
    """Return a group's content with the Image Classification connector and its model."""
    content = content_of(device)
    content["Resource"]["Resources"].append(
        {
            "Id": "trained",
            "Name": "trained",
            "ResourceDataContainer": {
                "SageMakerMachineLearningModelResourceData": {
                    "DestinationPath": "/trained",
                    "SageMakerJobArn": _JOB,
                }
            },
        }
    )
    name = "ImageClassificationAarch64JTX2"
    content["Connector"]["Connectors"].append(
        {
            "Id": "classifier",
            "ConnectorArn": f"arn:aws:greengrass:us-east-1::/connectors/{name}/versions/2",
            "Parameters": {
                "MLModelDestinationPath": "/trained",
                "MLModelResourceId": "trained",
                "MLModelSageMakerJobArn": _JOB,
                "LocalInferenceServiceName": "pets",
                "LocalInferenceServiceTimeoutSeconds": "15",
                "LocalInferenceServiceMemoryLimitKB": "512000",
                "GPUAcceleration": "GPU",
                "MLFeedbackConnectorConfigId": "LC50",
            },
        }
    )
    return content


def test_group_with_the_image_classification_connector_is_accepted(
    stacks: Stacks, stack: str, device: Device
) -> None:
    stacks.deploy(stack, group_of(_with_classifier(device)))


@pytest.mark.parametrize(
    ("kind", "path", "value", "reason"),
    [
        ("Connector", f"{_CLASSIFIER}/GPUAcceleration", None, "GPUAcceleration is required"),
        ("Connector", f"{_CLASSIFIER}/GPUAcceleration", "opencl", "'opencl' does not match"),
        ("Connector", f"{_CLASSIFIER}/Accelerator", "CPU", "Accelerator is not known"),
        ("Connector", f"{_CLASSIFIER}/MLModelSageMakerJobArn", "arn:x", "'arn:x' does not match"),
        ("Connector", f"{_CLASSIFIER}/LocalInferenceServiceTimeoutSeconds", "0", "does not match"),
        ("Connector", f"{_CLASSIFIER}/MLFeedbackConnectorConfigId", "X1", "no configuration X1"),
        ("Connector", f"{_CLASSIFIER}/MLModelResourceId", "model", "is not a SageMaker resource"),
        ("Resource", f"{_TRAINED}/DestinationPath", "/other", "another destination path"),
    ],
)
def test_connector_that_does_not_fit_its_documentation_or_group_is_refused(
    stacks: Stacks, stack: str, device: Device, kind: str, path: str, value: Any, reason: str
) -> None:
    content = _with_classifier(device)
    content[kind] = _with(content[kind], path, value)
    with pytest.raises(StackError, match=reason):
        stacks.deploy(stack, group_of(content))
