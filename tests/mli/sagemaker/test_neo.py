"""``compile --with neo``: requests that SageMaker takes, and each failure in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, NoCredentialsError

from .conftest import ROLE, Cloud

URI = "s3://models/ssd/model.tar.gz"
ARTIFACT = "s3://models/compiled/model-jetson_nano.tar.gz"


def arguments(model: object = URI, *more: object) -> list[object]:
    return [
        "compile", "--with", "neo", model, "--framework", "mxnet",
        "--input-shape", '{"data":[1,3,512,512]}', "--target-device", "jetson_nano",
        "--role", ROLE, "--output", "s3://models/compiled/", "--region", "us-east-1", *more,
    ]  # fmt: skip


def request(cloud: Cloud, *more: object) -> dict[str, Any]:
    done = cloud.run(*arguments(URI, *more), "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["CreateCompilationJob"]
    return found


def described(name: str, status: str, **more: object) -> dict[str, Any]:
    return {
        "CompilationJobName": name,
        "CompilationJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:compilation-job/{name}",
        "CompilationJobStatus": status,
        "StoppingCondition": {},
        "CreationTime": 0,
        "LastModifiedTime": 0,
        "FailureReason": "",
        "ModelArtifacts": {"S3ModelArtifacts": ARTIFACT},
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": URI, "Framework": "MXNET"},
        "OutputConfig": {"S3OutputLocation": "s3://models/compiled/"},
        **more,
    }


def starts(cloud: Cloud, job: dict[str, Any]) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:111122223333:compilation-job/{job['CompilationJobName']}"
    cloud.sagemaker.add_response("create_compilation_job", {"CompilationJobArn": arn}, job)


def says(cloud: Cloud, job: dict[str, Any], status: str, **more: object) -> None:
    name = job["CompilationJobName"]
    answer = described(name, status, **more)
    cloud.sagemaker.add_response("describe_compilation_job", answer, {"CompilationJobName": name})


def is_found(cloud: Cloud) -> None:
    cloud.has_bucket(times=2)
    cloud.s3.add_response("head_object", {"ContentLength": 10})


def test_request_is_the_guides(cloud: Cloud) -> None:
    job = request(cloud)
    assert job.pop("CompilationJobName").startswith("model-")
    assert job == {
        "RoleArn": ROLE,
        "InputConfig": {
            "S3Uri": URI, "DataInputConfig": '{"data": [1, 3, 512, 512]}', "Framework": "MXNET",
        },
        "OutputConfig": {
            "S3OutputLocation": "s3://models/compiled/", "TargetDevice": "jetson_nano",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 1800},
    }  # fmt: skip


def test_platform_instead_of_a_device(cloud: Cloud) -> None:
    given = arguments(URI, "--os", "linux", "--arch", "arm64", "--accelerator", "nvidia")
    at = given.index("--target-device")
    del given[at : at + 2]
    done = cloud.run(*given, "--dry-run", "--json")
    target = json.loads(done.stdout)["CreateCompilationJob"]["OutputConfig"]["TargetPlatform"]
    assert target == {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "NVIDIA"}


def test_job_is_started_awaited_and_its_artifact_named(cloud: Cloud) -> None:
    job = request(cloud)
    is_found(cloud)
    starts(cloud, job)
    says(cloud, job, "STARTING")
    says(cloud, job, "INPROGRESS")
    says(cloud, job, "COMPLETED")
    done = cloud.run(*arguments())
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0] == ARTIFACT
    assert f"-c modelS3Uri={ARTIFACT}" in done.stdout


def test_local_model_is_uploaded_once(cloud: Cloud, tmp_path: Path) -> None:
    model = tmp_path / "model.tar.gz"
    model.write_bytes(b"weights")
    cloud.has_bucket(times=2)
    cloud.s3.add_client_error("head_object", "404", http_status_code=404)
    cloud.s3.add_response("put_object", {})
    cloud.sagemaker.add_response("create_compilation_job", {"CompilationJobArn": "arn:" + "x" * 30})
    done = cloud.run(*arguments(model, "--no-wait", "--json"))
    assert done.exit_code == 0, done.stderr
    job = json.loads(done.stdout)["job"]
    cloud.has_bucket(times=2)
    cloud.s3.add_response("head_object", {"ContentLength": 7})
    cloud.sagemaker.add_client_error("create_compilation_job", "ResourceInUse")
    says(cloud, {"CompilationJobName": job}, "COMPLETED")
    says(cloud, {"CompilationJobName": job}, "COMPLETED")
    again = cloud.run(*arguments(model, "--json"))
    assert json.loads(again.stdout) == {
        "job": job, "artifact": ARTIFACT, "context": f"-c modelS3Uri={ARTIFACT}",
    }  # fmt: skip


def test_failed_job_gives_its_reason_and_is_tried_again_when_repeated(cloud: Cloud) -> None:
    job = request(cloud)
    is_found(cloud)
    starts(cloud, job)
    reason = "ClientError: InputConfiguration: No valid Mxnet model file"
    says(cloud, job, "FAILED", FailureReason=reason)
    assert cloud.refused(*arguments()).endswith(f"failed: {reason}")
    is_found(cloud)
    cloud.sagemaker.add_client_error("create_compilation_job", "ResourceInUse")
    says(cloud, job, "FAILED")
    second = {**job, "CompilationJobName": job["CompilationJobName"] + "-2"}
    starts(cloud, second)
    says(cloud, second, "COMPLETED")
    assert cloud.run(*arguments()).exit_code == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDeniedException", "not permitted: CreateCompilationJob: no"),
        ("ExpiredTokenException", "session has expired"),
        ("UnrecognizedClientException", "does not know these credentials"),
        ("ThrottlingException", "is throttling"),
        ("ResourceLimitExceeded", "CreateCompilationJob: no (ResourceLimitExceeded)"),
        ("ValidationException", "CreateCompilationJob: no (ValidationException)"),
    ],
)
def test_refusal_by_sagemaker(cloud: Cloud, code: str, reason: str) -> None:
    is_found(cloud)
    cloud.sagemaker.add_client_error("create_compilation_job", code, "no")
    assert reason in cloud.refused(*arguments())


def test_bucket_in_another_region(cloud: Cloud) -> None:
    cloud.has_bucket(region="eu-west-1")
    line = cloud.refused(*arguments())
    assert "is in the Region eu-west-1, the job would run in us-east-1; add --region" in line


def test_bucket_that_is_not_there(cloud: Cloud) -> None:
    cloud.s3.add_client_error("head_bucket", "404", http_status_code=404)
    assert "--output s3://models/compiled/: there is no such bucket" in cloud.refused(*arguments())


def test_model_that_is_not_there(cloud: Cloud) -> None:
    cloud.has_bucket(times=2)
    cloud.s3.add_client_error("head_object", "404", http_status_code=404)
    assert f"MODEL {URI}: there is no such object" in cloud.refused(*arguments())


def test_model_that_only_the_role_may_see(cloud: Cloud) -> None:
    job = request(cloud)
    for _ in range(2):
        cloud.s3.add_client_error("head_bucket", "403", http_status_code=403)
    cloud.s3.add_client_error("head_object", "403", http_status_code=403)
    starts(cloud, job)
    says(cloud, job, "COMPLETED")
    assert cloud.run(*arguments()).exit_code == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionClosedError(endpoint_url="https://s3"), "AWS cannot be reached"),
        (NoCredentialsError(), "there are no AWS credentials"),
    ],
)
def test_interrupted_upload(
    cloud: Cloud, services: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    error: Exception, reason: str,
) -> None:  # fmt: skip
    model = tmp_path / "model.tar.gz"
    model.write_bytes(b"weights")
    cloud.has_bucket(times=2)
    cloud.s3.add_client_error("head_object", "404", http_status_code=404)

    def break_off(**request: object) -> None:
        raise error

    monkeypatch.setattr(services["s3"], "put_object", break_off)
    assert reason in cloud.refused(*arguments(model))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"--role": "me"}, "RoleArn"),
        ({"--target-device": "toaster"}, "OutputConfig.TargetDevice 'toaster' must be one of"),
        ({"--framework": "caffe"}, "InputConfig.Framework 'CAFFE' must be one of"),
        ({"--output": "/tmp"}, "--output /tmp: must be an S3 URI"),
        ({"--input-shape": "{"}, "is not JSON"),
        ({"--input-shape": '{"a":[1],"a":[2]}'}, "the key 'a' appears twice"),
        ({"--input-shape": '{"data":[0,3]}'}, "data must be dimensions"),
        ({"--job-name": "no spaces please"}, "CompilationJobName"),
    ],
)
def test_fault_that_needs_no_cloud_to_see(
    cloud: Cloud, changed: dict[str, str], reason: str
) -> None:
    given = arguments()
    for option, value in changed.items():
        if option in given:
            given[given.index(option) + 1] = value
        else:
            given += [option, value]
    assert reason in cloud.refused(*given)


def test_missing_options_are_all_named(cloud: Cloud) -> None:
    done = cloud.run("compile", "--with", "neo", URI, "--output", "s3://models/")
    assert done.exit_code == 2
    assert "needs --role, --framework, --input-shape" in done.stderr


def test_json_has_the_error_too(cloud: Cloud) -> None:
    cloud.has_bucket(region="eu-west-1")
    done = cloud.run(*arguments(URI, "--json"))
    assert done.exit_code == 1
    assert "eu-west-1" in json.loads(done.stdout)["error"]
