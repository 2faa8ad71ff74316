"""``train``: the guide's trainings as requests, and what is refused before they start."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROLE, Cloud

BUILT_IN = {"num_classes": 3, "num_training_samples": 900, "epochs": 10}


def arguments(folder: Path, algorithm: str, values: object, *more: object) -> list[object]:
    file = folder / "hyperparameters.json"
    file.write_text(values if isinstance(values, str) else json.dumps(values))
    return [
        "train", algorithm, "--train", "s3://data/train/", "--hyperparameters", file,
        "--role", ROLE, "--output", "s3://data/models", "--region", "us-east-1", *more,
    ]  # fmt: skip


def dry(cloud: Cloud, *given: object) -> dict[str, Any]:
    done = cloud.run(*given, "--dry-run", "--json")
    assert done.exit_code == 0, done.stderr
    requests: dict[str, Any] = json.loads(done.stdout)
    return requests


def test_built_in_classification(cloud: Cloud, tmp_path: Path) -> None:
    given = arguments(tmp_path, "image-classification", {**BUILT_IN, "image_shape": "3,256,256"})
    requests = dry(
        cloud, *given, "--validation", "s3://data/val/", "--target-device", "jetson_nano"
    )
    job = requests["CreateTrainingJob"]
    assert job["AlgorithmSpecification"]["TrainingImage"] == (
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/image-classification:1"
    )
    assert job["HyperParameters"]["num_classes"] == "3"
    assert [c["ChannelName"] for c in job["InputDataConfig"]] == ["train", "validation"]
    compilation = requests["CreateCompilationJob"]["InputConfig"]
    assert compilation["DataInputConfig"] == '{"data": [1, 3, 256, 256]}'
    name = job["TrainingJobName"]
    assert compilation["S3Uri"] == f"s3://data/models/{name}/output/model.tar.gz"


def test_gluoncv_script_goes_along(cloud: Cloud, tmp_path: Path, services: dict[str, Any]) -> None:
    script = tmp_path / "train_ssd.py"
    script.write_text("print('training')\n")
    script.with_name("requirements.txt").write_text("gluoncv\n")
    given = arguments(tmp_path, "gluoncv-ssd", "data-shape: 512\nlr: 0.001\n", "--script", script)
    parameters = dry(cloud, *given)["CreateTrainingJob"]["HyperParameters"]
    assert parameters["data-shape"] == "512"
    assert parameters["sagemaker_program"] == '"train_ssd.py"'
    sent: dict[str, bytes] = {}
    cloud.has_bucket(times=2)
    cloud.s3.add_client_error("head_object", "404", http_status_code=404)
    cloud.s3.add_response("put_object", {})
    keep = services["s3"].meta.events
    handler = lambda params, **_: sent.update(body=params["Body"].read())  # noqa: E731
    keep.register_first("before-parameter-build.s3.PutObject", handler)
    arn = "arn:aws:sagemaker:us-east-1:111122223333:training-job/job"
    cloud.sagemaker.add_response("create_training_job", {"TrainingJobArn": arn})
    done = cloud.run(*given, "--no-wait")
    keep.unregister("before-parameter-build.s3.PutObject", handler)
    assert done.exit_code == 0, done.stderr
    (tmp_path / "sent.tar.gz").write_bytes(sent["body"])
    with tarfile.open(tmp_path / "sent.tar.gz") as archive:
        assert archive.getnames() == ["requirements.txt", "train_ssd.py"]


def answer(name: str, status: str, **more: object) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{name}",
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://data/models/{name}/output/model.tar.gz"},
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "StoppingCondition": {},
        "CreationTime": 0,
        **more,
    }


def test_trained_model_is_handed_over(cloud: Cloud, tmp_path: Path) -> None:
    given = arguments(tmp_path, "object-detection", {**BUILT_IN, "image_shape": 512})
    job = dry(cloud, *given)["CreateTrainingJob"]
    name = job["TrainingJobName"]
    cloud.has_bucket(times=2)
    cloud.sagemaker.add_response(
        "create_training_job", {"TrainingJobArn": answer(name, "")["TrainingJobArn"]}, job
    )
    steps = [{"Status": "Training", "StartTime": 0, "StatusMessage": "epoch 3"}]
    cloud.sagemaker.add_response(
        "describe_training_job", answer(name, "InProgress", SecondaryStatusTransitions=steps)
    )
    cloud.sagemaker.add_response("describe_training_job", answer(name, "Completed"))
    done = cloud.run(*given)
    assert done.exit_code == 0, done.stderr
    assert f"s3://data/models/{name}/output/model.tar.gz" in done.stdout.splitlines()[0]
    assert """--input-shape '{"data":[1,3,512,512]}'""" in done.stdout


def test_failed_training_gives_its_reason(cloud: Cloud, tmp_path: Path) -> None:
    given = arguments(tmp_path, "object-detection", BUILT_IN)
    name = dry(cloud, *given)["CreateTrainingJob"]["TrainingJobName"]
    cloud.has_bucket(times=2)
    arn = answer(name, "")["TrainingJobArn"]
    cloud.sagemaker.add_response("create_training_job", {"TrainingJobArn": arn})
    reason = "ClientError: Unable to initialize the algorithm"
    cloud.sagemaker.add_response(
        "describe_training_job", answer(name, "Failed", FailureReason=reason)
    )
    assert cloud.refused(*given).endswith(f"failed: {reason}")


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, ["num_classes=None: is required", "num_training_samples=None: is required"]),
        ({**BUILT_IN, "epoch": 3}, ["unknown key; did you mean epochs?"]),
        ({**BUILT_IN, "epochs": "many", "optimizer": "nag"}, ["epochs='many'", "optimizer='nag'"]),
        ({**BUILT_IN, "image_shape": 200}, ["image_shape=200: must be a whole number from 300"]),
        ("- a\n- list\n", ["must hold names and values"]),
        ("{", ["is neither JSON nor YAML"]),
        ('{"epochs": 3,\n "epochs": 30}', ["line 2 has the key 'epochs' again", "line 1 has"]),
    ],
)
def test_faulty_hyperparameters(
    cloud: Cloud, tmp_path: Path, values: object, reasons: list[str]
) -> None:
    line = cloud.refused(*arguments(tmp_path, "object-detection", values))
    for reason in reasons:
        assert reason in line


def test_region_without_a_known_image(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mli.errors import MliError
    from mli.sagemaker.algorithms import ALGORITHMS

    with pytest.raises(MliError, match="--image-uri"):
        ALGORITHMS["object-detection"].image_uri("mars-north-1")


def test_script_and_algorithm_go_together(cloud: Cloud, tmp_path: Path) -> None:
    done = cloud.run(*arguments(tmp_path, "gluoncv-ssd", {}))
    assert done.exit_code == 2
    assert "gluoncv-ssd needs --script" in done.stderr


LINE = {"source-ref": "s3://samples/a.jpg", "fruit": 0, "fruit-metadata": {"class-name": "plum"}}


def manifests(tmp_path: Path, *lines: object) -> list[object]:
    """Write a manifest with these lines; return the arguments to train and validate with it."""
    file = tmp_path / "train.manifest"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    given = arguments(tmp_path, "image-classification", BUILT_IN)
    given[given.index("--train") + 1] = file
    return [*given, "--validation", file]


def test_a_manifest_is_uploaded_and_streamed(
    cloud: Cloud, tmp_path: Path, services: dict[str, Any]
) -> None:
    given = manifests(tmp_path, LINE, LINE)
    request = dry(cloud, *given)["CreateTrainingJob"]
    assert request["AlgorithmSpecification"]["TrainingInputMode"] == "Pipe"
    sources = [one["DataSource"]["S3DataSource"] for one in request["InputDataConfig"]]
    assert {tuple(one["AttributeNames"]) for one in sources} == {("source-ref", "fruit")}
    sent: list[str] = []
    cloud.has_bucket(times=1)
    for _ in sources:
        cloud.s3.add_client_error("head_object", "404", http_status_code=404)
        cloud.s3.add_response("put_object", {})
    keep = services["s3"].meta.events
    handler = lambda params, **_: sent.append(f"s3://{params['Bucket']}/{params['Key']}")  # noqa: E731
    keep.register_first("before-parameter-build.s3.PutObject", handler)
    arn = answer(request["TrainingJobName"], "")["TrainingJobArn"]
    cloud.sagemaker.add_response("create_training_job", {"TrainingJobArn": arn}, request)
    done = cloud.run(*given, "--no-wait")
    keep.unregister("before-parameter-build.s3.PutObject", handler)
    assert done.exit_code == 0, done.stderr
    assert sent == [one["S3Uri"] for one in sources]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([], "lists no images"),
        ([LINE, {"source-ref": "/a.jpg", "fruit": 0}], "line 2 must be a JSON object"),
        ([LINE, {**LINE, "other": 1}], "line 2"),
        ([LINE, "text"], "line 2"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named(
    cloud: Cloud, tmp_path: Path, lines: list[object], fault: str
) -> None:
    given = manifests(tmp_path, *lines)
    assert fault in cloud.refused(*given)


def test_a_manifest_goes_with_no_other_form(cloud: Cloud, tmp_path: Path) -> None:
    given = manifests(tmp_path, LINE)
    given[given.index("--validation") + 1] = "s3://data/validation/"
    assert "--validation must be one too" in cloud.refused(*given)
