"""SageMaker's training jobs in the local cloud, by boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud


@pytest.fixture
def job(name: str) -> str:
    """The name of a job of the test's own."""
    return name.replace(".", "-")


def _request(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::000000000000:role/training",
        "OutputDataConfig": {"S3OutputPath": "s3://models/trained/"},
        "ResourceConfig": {
            "InstanceType": "ml.p3.2xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 50,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def test_job_is_complete_and_says_where_its_model_is(cloud: LocalCloud, job: str) -> None:
    sagemaker = cloud.client("sagemaker")
    arn = sagemaker.create_training_job(**_request(job))["TrainingJobArn"]
    found = sagemaker.describe_training_job(TrainingJobName=job)
    assert arn.endswith(f":training-job/{job}")
    assert (found["TrainingJobArn"], found["TrainingJobStatus"]) == (arn, "Completed")
    model = f"s3://models/trained/{job}/output/model.tar.gz"
    assert found["ModelArtifacts"]["S3ModelArtifacts"] == model
    assert found["CreationTime"].year >= 2026
    with pytest.raises(ClientError, match="exists") as caught:
        sagemaker.create_training_job(**_request(job))
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_job_that_is_not_there_and_operation_that_is_not_served_are_refused(
    cloud: LocalCloud, job: str
) -> None:
    sagemaker = cloud.client("sagemaker")
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.describe_training_job(TrainingJobName=job)
    with pytest.raises(ClientError, match="does not serve SageMaker's StopTrainingJob"):
        sagemaker.stop_training_job(TrainingJobName=job)
