"""A group in which AWS's Image Classification connector predicts: ``estimator=connector``."""

from pathlib import Path
from typing import Any

import pytest

from inference import schema
from inference.v1.environment import FunctionEnvironment
from stacks.context.report import format_faults
from stacks.generations import read_settings
from tests.stacks.synthesis import context
from tests.stacks.v1.groups import (
    GREENGRASS,
    group_template,
    the_function,
    the_resource,
    version_of,
)
from tests.stacks.v1.test_permissions import LAMBDA_LOGS, statements

JOB = "arn:aws:sagemaker:ap-southeast-2:123456789012:training-job/pets"
EXAMPLE_JOB = "arn:aws:sagemaker:us-east-1:123456789012:training-job/my-classifier"
CONNECTOR = {"estimator": "connector", "sageMakerJobArn": JOB, "modelS3Uri": None}
SERVICE = (
    "arn:aws:lambda:ap-southeast-2:aws:function:GG-ML-INF-image-classification-image-classification"
)


def connectors(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The connectors of a group by their ids."""
    return {one["Id"]: one for one in version_of(template, "ConnectorDefinition")["Connectors"]}


def test_connector_has_the_training_job_and_the_first_feedback_configuration(
    tmp_path: Path,
) -> None:
    found = connectors(group_template(tmp_path, **CONNECTOR))
    assert found.keys() == {"MLFeedback", "ImageClassification"}
    assert found["ImageClassification"] == {
        "Id": "ImageClassification",
        "ConnectorArn": f"{GREENGRASS}::/connectors/ImageClassificationx86-64/versions/2",
        "Parameters": {
            "MLModelDestinationPath": "/dlr_model",
            "MLModelResourceId": "DlrModel",
            "MLModelSageMakerJobArn": JOB,
            "LocalInferenceServiceName": "image-classification",
            "LocalInferenceServiceTimeoutSeconds": "15",
            "LocalInferenceServiceMemoryLimitKB": "512000",
            "MLFeedbackConnectorConfigId": "RandomSamplingConfiguration",
        },
    }


@pytest.mark.parametrize(
    ("architecture", "accelerator", "name", "gpu"),
    [
        ("x86_64", "cpu", "ImageClassificationx86-64", None),
        ("armv7l", "cpu", "ImageClassificationARMv7", None),
        ("aarch64", "cpu", "ImageClassificationAarch64JTX2", "CPU"),
        ("aarch64", "gpu", "ImageClassificationAarch64JTX2", "GPU"),
    ],
)
def test_connector_is_that_of_the_processor(
    tmp_path: Path, architecture: str, accelerator: str, name: str, gpu: str | None
) -> None:
    chosen = {"architecture": architecture, "accelerator": accelerator}
    found = connectors(group_template(tmp_path, **CONNECTOR, **chosen))["ImageClassification"]
    assert found["ConnectorArn"] == f"{GREENGRASS}::/connectors/{name}/versions/2"
    assert found["Parameters"].get("GPUAcceleration") == gpu


def test_connector_without_feedback_is_alone(tmp_path: Path) -> None:
    found = connectors(group_template(tmp_path, **CONNECTOR, feedback=False))
    assert found.keys() == {"ImageClassification"}
    assert "MLFeedbackConnectorConfigId" not in found["ImageClassification"]["Parameters"]


def test_model_is_the_output_of_the_training_job_and_no_resource_of_the_function(
    tmp_path: Path,
) -> None:
    template = group_template(tmp_path, **CONNECTOR)
    assert the_resource(template)["ResourceDataContainer"] == {
        "SageMakerMachineLearningModelResourceData": {
            "SageMakerJobArn": JOB,
            "DestinationPath": "/dlr_model",
        }
    }
    environment = the_function(template)["FunctionConfiguration"]["Environment"]
    assert environment["ResourceAccessPolicies"] == []
    read = FunctionEnvironment.from_variables(environment["Variables"])
    assert (read.service, read.model_path) == (SERVICE, "")
    assert read.settings.feedback is not None


def test_group_may_describe_exactly_the_job_and_write_the_connector_s_log(tmp_path: Path) -> None:
    logs, _samples, job = statements(group_template(tmp_path, **CONNECTOR), "GroupRole")
    assert (job["Action"], job["Resource"]) == ("sagemaker:DescribeTrainingJob", JOB)
    assert f"{LAMBDA_LOGS}/aws/image-classification*" in logs["Resource"]


def report(folder: Path, **values: object) -> list[str]:
    """What a user reads about a context, without the header."""
    with pytest.raises(schema.ConfigurationError) as caught:
        read_settings(context(folder, **{"greengrassVersion": 1, **values}))
    return format_faults(caught.value).splitlines()[1:]


@pytest.mark.parametrize(
    ("values", "fault", "correction"),
    [
        (
            {**CONNECTOR, "greengrassVersion": 2},
            "estimator='connector': requires greengrassVersion=1: Greengrass V2 has no connectors",
            "estimator=function",
        ),
        (
            {**CONNECTOR, "sageMakerJobArn": None},
            (
                "sageMakerJobArn is required for estimator=connector, whose model is that of a "
                "training"
                " job"
            ),
            f"sageMakerJobArn={EXAMPLE_JOB}",
        ),
        (
            {**CONNECTOR, "sageMakerJobArn": "arn:aws:sagemaker:x:1:compilation-job/x"},
            (
                "sageMakerJobArn='arn:aws:sagemaker:x:1:compilation-job/x': must be the ARN of a "
                "SageMaker training job"
            ),
            f"sageMakerJobArn={EXAMPLE_JOB}",
        ),
        (
            {**CONNECTOR, "modelS3Uri": "s3://bucket/model.tar.gz"},
            (
                "modelS3Uri='s3://bucket/model.tar.gz': cannot be combined with "
                "estimator=connector, "
                "which uses sageMakerJobArn: leave it out"
            ),
            "estimator=function",
        ),
        (
            {**CONNECTOR, "accelerator": "gpu"},
            (
                "accelerator='gpu': requires architecture=aarch64 for estimator=connector: only "
                "AWS's "
                "connector for the Jetson TX2 uses a GPU"
            ),
            "accelerator=cpu",
        ),
        (
            {**CONNECTOR, "accelerator": "opencl", "architecture": "aarch64"},
            "accelerator='opencl': must be cpu or gpu for estimator=connector",
            "accelerator=cpu",
        ),
        (
            {**CONNECTOR, "modelProfile": "gluoncv-ssd-voc"},
            (
                "modelProfile='gluoncv-ssd-voc': must describe a classifier for "
                "estimator=connector; "
                "its outputs are gluoncv-ssd"
            ),
            "modelProfile=sagemaker-image-classification",
        ),
        (
            {**CONNECTOR, "modelOverride": "/opt/m.zip"},
            (
                "modelOverride='/opt/m.zip': requires estimator=function: the connector loads the "
                "training job's model only"
            ),
            "estimator=function",
        ),
        (
            {**CONNECTOR, "simulator": "true"},
            (
                "simulator='true': requires estimator=function: the instance lacks what AWS's "
                "connector"
                " needs"
            ),
            "simulator=false",
        ),
        (
            {"sageMakerJobArn": JOB},
            (
                f"sageMakerJobArn='{JOB}': requires estimator=connector, in greengrassVersion=1; "
                "the "
                "function has modelS3Uri"
            ),
            "estimator=connector",
        ),
        (
            {"greengrassVersion": 2, "architecture": "armv7l"},
            "architecture='armv7l': must be x86_64 or aarch64, unless estimator=connector",
            "architecture=aarch64",
        ),
    ],
)
def test_what_does_not_fit_the_connector_is_one_line_with_its_correction(
    tmp_path: Path, values: dict[str, object], fault: str, correction: str
) -> None:
    assert report(tmp_path, **values) == [f"  {fault}, for example -c {correction}"]
