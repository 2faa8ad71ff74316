"""A training job as data: its hyperparameters, checked, and its request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inference.schema import ConfigurationError, parse_fields

from ..cli.output import Output
from ..errors import MliError
from ..strict_yaml import strict_yaml
from .algorithms import Algorithm
from .jobs import S3Location, job_name
from .manifest import RECORDS, Manifest, is_manifest


@dataclass(frozen=True)
class Training:
    """A training as the command line describes it.

    ``channels`` are where its data is in S3, and ``manifests`` the files that are uploaded first,
    each by its option.
    """

    algorithm: Algorithm
    channels: Mapping[str, S3Location]
    manifests: Mapping[str, Manifest]
    output: S3Location
    script: Path | None
    request: dict[str, Any]
    job_name: str | None

    def full_request(self, source: S3Location | None, region: str) -> dict[str, Any]:
        """Return the request with its name, and with the location of a script."""
        parameters = dict(self.request["HyperParameters"])
        if self.script is not None and source is not None:
            # What the training toolkit in SageMaker's framework images reads, each as JSON.
            parameters["sagemaker_program"] = json.dumps(self.script.name)
            parameters["sagemaker_submit_directory"] = json.dumps(source.uri)
            parameters["sagemaker_region"] = json.dumps(region)
            parameters["sagemaker_container_log_level"] = "20"
        request = {**self.request, "HyperParameters": parameters}
        return {"TrainingJobName": job_name(self.job_name, self.algorithm.name, request), **request}


def read_hyperparameters(path: Path, algorithm: Algorithm, output: Output) -> dict[str, Any]:
    """Read and check a file of hyperparameters, JSON or YAML.

    Raises:
        MliError: if it is neither, or not a mapping.
        ConfigurationError: with all of its faults.
    """
    try:
        values = strict_yaml(path.read_text(encoding="utf-8"))  # JSON is YAML too
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MliError(f"--hyperparameters {path}: is neither JSON nor YAML: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise MliError(f"--hyperparameters {path}: must hold names and values")
    known = [field.key for field in algorithm.fields]
    strange = [key for key in values if key not in known]
    if algorithm.is_script and strange:
        output.say(f"passed to the script without a check: {', '.join(strange)}")
        checked = {key: value for key, value in values.items() if key in known}
    else:
        checked = values
    _, faults = parse_fields(algorithm.fields, checked, algorithm.required)
    if faults:
        raise ConfigurationError(faults)
    return values


def training_of(
    algorithm: Algorithm,
    values: Mapping[str, Any],
    image_uri: str,
    *,
    train_data: str,
    validation: str | None,
    script: str | None,
    role: str,
    output_path: str,
    instance_type: str,
    volume_gb: int,
    max_hours: float,
    job_name: str | None,
) -> Training:
    """Return the training of a command line.

    Raises:
        MliError: if a location is not an S3 URI, or a manifest cannot be used.
    """
    given = {"train": train_data, **({"validation": validation} if validation else {})}
    manifests = {
        name: Manifest.read(Path(text), f"--{name}")
        for name, text in given.items()
        if is_manifest(text)
    }
    if manifests and (algorithm.is_script or len(manifests) < len(given)):
        other = next((name for name in given if name not in manifests), None)
        rule = f"--{other} must be one too" if other else f"{algorithm.name} reads RecordIO only"
        raise MliError(f"--{next(iter(manifests))} is a manifest: {rule}")
    places = {
        name: S3Location.parse(text, f"--{name}")
        for name, text in given.items()
        if name not in manifests
    }
    place = S3Location.parse(output_path, "--output")
    write = json.dumps if algorithm.is_script else str
    request = {
        "HyperParameters": {key: write(value) for key, value in values.items()},
        "AlgorithmSpecification": {
            "TrainingImage": image_uri,
            # SageMaker streams what a manifest lists, and writes it as RecordIO meanwhile.
            "TrainingInputMode": "Pipe" if manifests else "File",
        },
        "RoleArn": role,
        "InputDataConfig": [
            *(_channel(name, channel) for name, channel in places.items()),
            *(one.channel(name, one.place(place)) for name, one in manifests.items()),
        ],
        "OutputDataConfig": {"S3OutputPath": place.uri},
        "ResourceConfig": {
            "InstanceType": instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": int(max_hours * 3600)},
    }
    return Training(
        algorithm,
        {f"--{name}": channel for name, channel in places.items()},
        manifests,
        place,
        Path(script) if script else None,
        request,
        job_name,
    )


def _channel(name: str, place: S3Location) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": place.uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": name,
        "ContentType": RECORDS,
        "CompressionType": "None",
        "DataSource": {"S3DataSource": source},
    }
