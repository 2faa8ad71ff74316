"""``mli train``: a SageMaker training job, and the compilation that follows it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..archives import write_archive
from ..aws import RETRIES, aws_options, session
from ..cli.options import dry_run_option, wait_option
from ..cli.output import Output, examples, reporting
from .algorithms import ALGORITHMS
from .jobs import (
    TRAINING,
    S3Location,
    check_places,
    check_request,
    start_or_join,
    uploaded,
    wait_for,
)
from .manifest import FOLDER
from .neo import NeoJob, compile_with_neo, neo_job
from .training import Training, read_hyperparameters, training_of

_EXAMPLES = examples(
    "mli train gluoncv-ssd --script train_ssd.py --train s3://bucket/voc/train/ "
    "--hyperparameters ssd.yaml --role arn:aws:iam::111122223333:role/Train "
    "--output s3://bucket/models/ --target-device jetson_xavier",
    "mli train image-classification --train s3://bucket/fruit/train/ "
    "--validation s3://bucket/fruit/validation/ --hyperparameters fruit.json "
    "--role arn:aws:iam::111122223333:role/Train --output s3://bucket/models/ --dry-run",
    "mli train object-detection --train dataset/train.manifest "
    "--validation dataset/validation.manifest --hyperparameters dataset/hyperparameters.json "
    "--role arn:aws:iam::111122223333:role/Train --output s3://bucket/models/",
)


@click.command(epilog=_EXAMPLES)
@click.argument("algorithm", type=click.Choice(list(ALGORITHMS)))
@click.option(
    "--train",
    "train_data",
    required=True,
    metavar="PLACE",
    help="Prefix of RecordIO files in S3, or a .manifest file of labelled images, to train with.",
)
@click.option("--validation", metavar="PLACE", help="The same, to validate with.")
@click.option(
    "--hyperparameters",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Hyperparameters, as JSON or YAML.",
)
@click.option(
    "--script",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="GluonCV's training script; a requirements.txt beside it is uploaded too.",
)
@click.option(
    "--role", required=True, metavar="ARN", help="IAM role that SageMaker assumes for the job."
)
@click.option(
    "--output", "output_path", required=True, metavar="S3_URI", help="Prefix to write the model to."
)
@click.option("--image-uri", metavar="URI", help="Training image; default: AWS's for the Region.")
@click.option(
    "--instance-type",
    default="ml.g4dn.xlarge",
    show_default=True,
    metavar="NAME",
    help="Machine that SageMaker trains on.",
)
@click.option(
    "--volume-gb",
    type=click.IntRange(1, 16384),
    default=50,
    show_default=True,
    metavar="GB",
    help="Size of its disk.",
)
@click.option(
    "--max-hours",
    type=click.FloatRange(0.1, 672),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Time after which SageMaker stops the job.",
)
@click.option(
    "--job-name", metavar="NAME", help="Name of the job; default: derived from the request."
)
@click.option(
    "--target-device",
    metavar="NAME",
    help="Device to compile the trained model for, with SageMaker Neo.",
)
@wait_option("the job to end")
@dry_run_option
@aws_options
@reporting
def train(
    output: Output, algorithm: str, hyperparameters: str, image_uri: str | None,
    target_device: str | None, wait: bool, dry_run: bool, region: str | None,
    aws_profile: str | None, **options: Any,
) -> None:  # fmt: skip
    """Train a model with ALGORITHM on Amazon SageMaker.

    The hyperparameters are checked first. `mli samples NAME --export ground-truth` writes manifests
    of what cores saw, and hyperparameters. When repeated, the command finds the job that it started
    before.
    """
    chosen = ALGORITHMS[algorithm]
    if chosen.is_script != bool(options["script"]):
        raise click.UsageError(
            f"{algorithm} {'needs' if chosen.is_script else 'takes no'} --script"
        )
    if target_device and not (wait or dry_run):
        raise click.UsageError("--target-device needs --wait")
    values = read_hyperparameters(Path(hyperparameters), chosen, output)
    found = session(region, aws_profile)
    here = str(found.region_name)
    training = training_of(chosen, values, image_uri or chosen.image_uri(here), **options)
    source = training.output.below("source/<digest>/source.tar.gz") if training.script else None
    request = training.full_request(source, here)
    check_request("CreateTrainingJob", request)
    model = training.output.below(f"{request['TrainingJobName']}/output/model.tar.gz")
    compilation = None
    if target_device:
        compilation = _compilation(
            training, values, model, target_device, dry_run, region, aws_profile
        )
    if dry_run:
        _print_requests(output, request, compilation)
        return
    s3, sagemaker = (found.client(name, config=RETRIES) for name in ("s3", "sagemaker"))
    check_places(s3, {"--output": training.output, **training.channels}, here)
    for manifest in training.manifests.values():
        uploaded(s3, manifest.file, training.output.below(FOLDER), output)
    if training.script:
        source = _upload_source(s3, training, output)
    request = training.full_request(source, here)
    name = start_or_join(sagemaker, TRAINING, request, output)
    if not wait:
        output.result({"job": name, "model": None}, f"{name}\nRepeat without --no-wait to wait")
        return
    done = wait_for(sagemaker, TRAINING, name, output)
    uri = str(done["ModelArtifacts"]["S3ModelArtifacts"])
    if target_device:
        output.say(f"trained {uri}")
        place = S3Location.parse(uri, "model")
        compile_with_neo(
            output,
            _compilation(training, values, place, target_device, False, region, aws_profile),
        )
        return
    follow = _compile_command(training, values, uri)
    output.result({"job": name, "model": uri, "next": follow}, f"{uri}\nNext: {follow}")


def _upload_source(s3: Any, training: Training, output: Output) -> S3Location:
    assert training.script is not None
    files = {training.script.name: training.script}
    requirements = training.script.with_name("requirements.txt")
    if requirements.is_file():
        files[requirements.name] = requirements
    with tempfile.TemporaryDirectory(prefix="train-") as folder:
        packed = Path(folder) / "source.tar.gz"
        write_archive(files, packed)
        return uploaded(s3, packed, training.output.below("source"), output)


def _shape(training: Training, values: Mapping[str, Any]) -> str:
    return json.dumps({"data": [1, *training.algorithm.side(values)]}, separators=(",", ":"))


def _compilation(
    training: Training,
    values: Mapping[str, Any],
    model: S3Location,
    device: str,
    dry_run: bool,
    region: str | None,
    aws_profile: str | None,
) -> NeoJob:
    job = neo_job(
        model.uri, training.output.below("compiled/").uri, _shape(training, values),
        role=training.request["RoleArn"], framework="MXNET", framework_version=None,
        target_device=device, os=None, arch=None, accelerator=None, compiler_options=None,
        upload_to=None, max_minutes=30, job_name=None, wait=True, dry_run=dry_run,
        region=region, aws_profile=aws_profile,
    )  # fmt: skip
    check_request("CreateCompilationJob", job.full_request(model))
    return job


def _compile_command(training: Training, values: Mapping[str, Any], uri: str) -> str:
    return (
        f"mli compile --with neo {uri} --framework mxnet "
        f"--input-shape '{_shape(training, values)}' --target-device … "
        f"--role {training.request['RoleArn']} --output {training.output.below('compiled/').uri}"
    )


def _print_requests(output: Output, request: dict[str, Any], compilation: NeoJob | None) -> None:
    requests = {"CreateTrainingJob": request}
    if compilation is not None:
        model = S3Location.parse(compilation.model, "model")
        requests["CreateCompilationJob"] = compilation.full_request(model)
    output.result(requests, json.dumps(requests, indent=2))
