"""What compilation and training jobs have in common: requests, uploads, starting, waiting."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.validate import ParamValidator

from inference.model.artifacts.digests import sha256_of

from ..aws import error_code
from ..cli.output import Output
from ..errors import MliError

POLL_SECONDS = 10.0
_MOST_ATTEMPTS = 9
_NAME_LENGTH = 63


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key, or the prefix of keys."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str, option: str) -> S3Location:
        """Read ``s3://bucket/key``.

        Raises:
            MliError: if it is not one; ``option`` is where it was given.
        """
        found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", uri)
        if found is None:
            raise MliError(f"{option} {uri}: must be an S3 URI such as s3://my-bucket/models/")
        return cls(found[1], found[2] or "")

    def below(self, name: str) -> S3Location:
        """Return the location of ``name`` under this prefix."""
        prefix = self.key.rstrip("/")
        return S3Location(self.bucket, f"{prefix}/{name}" if prefix else name)

    @property
    def uri(self) -> str:
        """The location as ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class JobKind:
    """The names that SageMaker has for one kind of job."""

    what: str
    create: str
    describe: str
    name_key: str
    status_key: str
    done: str
    failed: Sequence[str]


COMPILATION = JobKind(
    "compilation job", "create_compilation_job", "describe_compilation_job",
    "CompilationJobName", "CompilationJobStatus", "COMPLETED", ("FAILED", "STOPPED"),
)  # fmt: skip
TRAINING = JobKind(
    "training job", "create_training_job", "describe_training_job",
    "TrainingJobName", "TrainingJobStatus", "Completed", ("Failed", "Stopped", "Deleting"),
)  # fmt: skip


def job_name(given: str | None, stem: str, request: Mapping[str, Any]) -> str:
    """Return the given name, or one derived from the request, so that it stays the same."""
    if given:
        return given
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:10]
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", stem).strip("-")[: _NAME_LENGTH - 14].strip("-")
    return f"{plain or 'model'}-{digest}"


def check_request(operation: str, request: Mapping[str, Any]) -> None:
    """Check a request against botocore's model of SageMaker, with its patterns and choices.

    Raises:
        MliError: naming what SageMaker would not accept.
    """
    shape = _service_model().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    faults = [report.generate_report()] if report.has_errors() else [*_faults(shape, request, "")]
    if faults:
        raise MliError(f"{operation}: {'; '.join(fault.strip() for fault in faults)}")


@functools.cache
def _service_model() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


def _faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    """Yield what botocore's own validation leaves out: choices and patterns."""
    if shape.type_name == "structure":
        for name, part in value.items():
            yield from _faults(shape.members[name], part, f"{where}.{name}" if where else name)
    elif shape.type_name == "list":
        for part in value:
            yield from _faults(shape.member, part, where)
    elif shape.type_name == "map":
        for name, part in value.items():
            yield from _faults(shape.value, part, f"{where}.{name}")
    elif shape.type_name == "string":
        choices, pattern = shape.enum, shape.metadata.get("pattern")
        if choices and value not in choices:
            yield f"{where} {value!r} must be one of {', '.join(choices)}"
        elif pattern and re.fullmatch(pattern, value) is None:
            yield f"{where} {value!r} must match {pattern}"


def check_places(s3: Any, places: Mapping[str, S3Location], region: str) -> None:
    """Check that each bucket exists, and in the job's Region, as SageMaker requires.

    A bucket that this user may not read passes, since the role of the job may.

    Raises:
        MliError: naming the option and the bucket.
    """
    for option, place in places.items():
        try:
            answer = s3.head_bucket(Bucket=place.bucket)
            headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            code = ""
        except botocore.exceptions.ClientError as error:
            code = error_code(error)
            answer, headers = {}, error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            if code in ("404", "NoSuchBucket"):
                raise MliError(f"{option} {place.uri}: there is no such bucket") from None
            if code not in ("301", "400", "403"):
                raise
        found = answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or region
        if found != region:
            raise MliError(
                f"{option} {place.uri}: is in the Region {found}, the job would run in {region}; "
                f"add --region {found}"
            )
        if code == "400":
            raise MliError(f"{option} {place.uri}: S3 refuses the request; is the session valid?")


def check_object(s3: Any, place: S3Location, what: str) -> None:
    """Raise ``MliError`` if an object certainly does not exist."""
    try:
        s3.head_object(Bucket=place.bucket, Key=place.key)
    except botocore.exceptions.ClientError as error:
        if error_code(error) in ("404", "NoSuchKey"):
            raise MliError(f"{what} {place.uri}: there is no such object") from None
        if error_code(error) != "403":
            raise


def uploaded(s3: Any, file: Path, prefix: S3Location, output: Output) -> S3Location:
    """Upload ``file`` under ``prefix`` and its digest, unless it exists; return its location."""
    place, size = prefix.below(f"{sha256_of(file)[:12]}/{file.name}"), file.stat().st_size
    with contextlib.suppress(botocore.exceptions.ClientError):
        if s3.head_object(Bucket=place.bucket, Key=place.key)["ContentLength"] == size:
            output.say(f"{place.uri} already exists")
            return place
    sent = 0

    def progress(count: int) -> None:
        nonlocal sent
        sent += count
        output.status(f"uploading {file.name}: {sent / 1e6:.1f} of {size / 1e6:.1f} MB")

    s3.upload_file(str(file), place.bucket, place.key, Callback=progress)
    output.say(f"uploaded {place.uri} ({size / 1e6:.1f} MB)")
    return place


def start_or_join(client: Any, kind: JobKind, request: Mapping[str, Any], output: Output) -> str:
    """Start a job, or find the one of that name that runs or has ended; return its name.

    Raises:
        MliError: if too many jobs of that name have failed.
    """
    first = str(request[kind.name_key])
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        name = first if attempt == 1 else f"{first[: _NAME_LENGTH - 2]}-{attempt}"
        try:
            getattr(client, kind.create)(**{**request, kind.name_key: name})
        except botocore.exceptions.ClientError as error:
            if error_code(error) != "ResourceInUse":
                raise
        else:
            output.say(f"started {kind.what} {name}")
            return name
        found = getattr(client, kind.describe)(**{kind.name_key: name})
        if found[kind.status_key] not in kind.failed:
            output.say(f"{kind.what} {name} already exists: {found[kind.status_key]}")
            return name
    raise MliError(
        f"{kind.what} {first}: has failed {_MOST_ATTEMPTS} times; use another --job-name"
    )


def wait_for(client: Any, kind: JobKind, name: str, output: Output) -> Mapping[str, Any]:
    """Wait until a job has ended, and show its progress; return its description.

    Raises:
        MliError: if it fails, with SageMaker's reason.
    """
    begun = time.monotonic()
    while True:
        found: Mapping[str, Any] = getattr(client, kind.describe)(**{kind.name_key: name})
        status = str(found[kind.status_key])
        if status == kind.done:
            return found
        if status in kind.failed:
            reason = str(found.get("FailureReason") or "no reason given")
            raise MliError(f"{kind.what} {name} {status.lower()}: {reason}")
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        output.status(f"{kind.what} {name}: {_detail(found, status)}, {minutes} min {seconds:02} s")
        time.sleep(POLL_SECONDS)


def _detail(found: Mapping[str, Any], status: str) -> str:
    steps = found.get("SecondaryStatusTransitions") or []
    metrics = [f"{m['MetricName']} {m['Value']:.4g}" for m in found.get("FinalMetricDataList", [])]
    said = f"{steps[-1]['Status']}: {steps[-1].get('StatusMessage', '')}" if steps else status
    return ", ".join([said.strip(": "), *metrics])
