"""``mli compile --with neo``: a SageMaker Neo compilation job, from upload to artifact."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from inference.schema import strict_json

from ..archives import write_archive
from ..aws import RETRIES, session
from ..cli.output import Output
from ..errors import MliError
from .jobs import (
    COMPILATION,
    S3Location,
    check_object,
    check_places,
    check_request,
    job_name,
    start_or_join,
    uploaded,
    wait_for,
)

_FRAMEWORKS = {".onnx": "ONNX", ".tflite": "TFLITE"}
_ARCHIVES = (".tar.gz", ".tgz")
_PLACEHOLDER = "<digest>"


@dataclass(frozen=True)
class NeoJob:
    """A compilation as the command line describes it."""

    model: str
    output: S3Location
    upload_to: S3Location
    request: dict[str, Any]
    """Without the model's URI and the job's name, which are added last."""
    job_name: str | None
    wait: bool
    dry_run: bool
    region: str | None
    aws_profile: str | None

    @property
    def is_local(self) -> bool:
        """Return whether the model is a file that is uploaded first."""
        return not self.model.startswith("s3://")

    @property
    def stem(self) -> str:
        """The model's name without its suffixes."""
        return Path(self.model).name.partition(".")[0]

    def full_request(self, model: S3Location) -> dict[str, Any]:
        """Return the request with the model's place and the job's name."""
        request = {
            **self.request,
            "InputConfig": {"S3Uri": model.uri, **self.request["InputConfig"]},
        }
        return {"CompilationJobName": job_name(self.job_name, self.stem, request), **request}


def neo_job(
    model: str,
    output_path: str,
    input_shape: str | None,
    *,
    role: str | None,
    framework: str | None,
    framework_version: str | None,
    target_device: str | None,
    os: str | None,
    arch: str | None,
    accelerator: str | None,
    compiler_options: str | None,
    upload_to: str | None,
    max_minutes: int,
    **rest: Any,
) -> NeoJob:
    """Return the job of a command line.

    Raises:
        click.UsageError: if an option is missing, or two contradict each other.
        MliError: if a value is wrong.
    """
    framework = framework or _FRAMEWORKS.get(Path(model).suffix)
    needed = {"--role": role, "--framework": framework, "--input-shape": input_shape}
    missing = [option for option, value in needed.items() if not value]
    if missing:
        raise click.UsageError(f"--with neo needs {', '.join(missing)}")
    if bool(target_device) == bool(os or arch):
        raise click.UsageError("--with neo needs either --target-device, or --os and --arch")
    if not target_device and not (os and arch):
        raise click.UsageError("--os and --arch go together")
    if accelerator and target_device:
        raise click.UsageError("--accelerator goes with --os and --arch")
    if upload_to and model.startswith("s3://"):
        raise click.UsageError(f"--upload-to is for a model on this machine, not for {model}")
    place = S3Location.parse(output_path, "--output")
    target: dict[str, Any] = {"TargetDevice": target_device}
    if not target_device:
        platform = {"Os": _upper(os), "Arch": _upper(arch), "Accelerator": _upper(accelerator)}
        target = {"TargetPlatform": {key: value for key, value in platform.items() if value}}
    shape = _json(input_shape or "", "--input-shape")
    _check_shape(shape)
    inputs = {"DataInputConfig": json.dumps(shape), "Framework": _upper(framework)}
    if framework_version:
        inputs["FrameworkVersion"] = framework_version
    results = {"S3OutputLocation": place.uri, **target}
    if compiler_options:
        results["CompilerOptions"] = json.dumps(_json(compiler_options, "--compiler-options"))
    request = {
        "RoleArn": role,
        "InputConfig": inputs,
        "OutputConfig": results,
        "StoppingCondition": {"MaxRuntimeInSeconds": max_minutes * 60},
    }
    models = S3Location.parse(upload_to, "--upload-to") if upload_to else place.below("models")
    return NeoJob(model=model, output=place, upload_to=models, request=request, **rest)


def compile_with_neo(output: Output, job: NeoJob) -> None:
    """Upload a local model, run the job, and report where its artifact is.

    Raises:
        MliError: if a value is wrong, or the job fails.
    """
    given = job.upload_to.below(f"{_PLACEHOLDER}/{job.stem}.tar.gz")
    if not job.is_local:
        given = S3Location.parse(job.model, "MODEL")
        if not given.key.endswith(_ARCHIVES):
            raise MliError(f"{job.model}: Neo accepts a .tar.gz that holds the model")
    elif not Path(job.model).is_file():
        raise MliError(f"{job.model}: there is no such file")
    check_request("CreateCompilationJob", job.full_request(given))
    if job.dry_run:
        request = job.full_request(given)
        output.result({"CreateCompilationJob": request}, json.dumps(request, indent=2))
        return
    found = session(job.region, job.aws_profile)
    s3, sagemaker = (found.client(name, config=RETRIES) for name in ("s3", "sagemaker"))
    check_places(s3, {"--output": job.output, "MODEL": given}, str(found.region_name))
    if job.is_local:
        given = _upload(s3, job, output)
    else:
        check_object(s3, given, "MODEL")
    name = start_or_join(sagemaker, COMPILATION, job.full_request(given), output)
    if not job.wait:
        text = f"{name}\nRepeat the command without --no-wait to wait for it"
        output.result({"job": name, "artifact": None}, text)
        return
    done = wait_for(sagemaker, COMPILATION, name, output)
    uri = str(done["ModelArtifacts"]["S3ModelArtifacts"])
    context = f"-c modelS3Uri={uri}"
    output.result(
        {"job": name, "artifact": uri, "context": context},
        f"{uri}\nNext: npx cdk deploy … {context} -c modelProfile=…",
    )


def _upload(s3: Any, job: NeoJob, output: Output) -> S3Location:
    """Upload the model as the archive that Neo accepts."""
    file = Path(job.model)
    if file.name.endswith(_ARCHIVES):
        return uploaded(s3, file, job.upload_to, output)
    with tempfile.TemporaryDirectory(prefix="neo-") as folder:
        packed = Path(folder) / f"{job.stem}.tar.gz"
        write_archive({file.name: file}, packed)
        return uploaded(s3, packed, job.upload_to, output)


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _json(text: str, option: str) -> Any:
    try:
        return strict_json(text)
    except ValueError as error:
        raise MliError(f"{option} {text!r}: is not JSON ({error})") from None


def _check_shape(shape: Any) -> None:
    """Check the form that all frameworks except PyTorch need: dimensions by input name."""
    example = """'{"data":[1,3,512,512]}'"""
    if not isinstance(shape, (dict, list)) or not shape:
        raise MliError(f"--input-shape: must be the inputs' shapes by name, such as {example}")
    if isinstance(shape, dict):
        for name, extents in shape.items():
            extents = extents.get("shape") if isinstance(extents, dict) else extents
            whole = isinstance(extents, list) and all(isinstance(e, int) for e in extents)
            if not whole or not extents or min(extents) < 1:
                raise MliError(f"--input-shape: {name} must be dimensions, such as {example}")
