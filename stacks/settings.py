"""The context of ``cdk synth`` and ``cdk deploy``, parsed once, before any construct exists."""

import dataclasses
import difflib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference import profile, schema
from inference import settings as device
from stacks.model_source import S3Object, parse_model_path, parse_s3_uri

_CERTIFICATE = r"(?:arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:cert/)?[0-9a-f]{64}"
_CDK_OWN_KEY = re.compile(
    r"@.*|.*:.*|(?:aws-)?cdk-.*|cli-telemetry|acknowledged-issue-numbers", re.DOTALL
)

MAX_CONFIGURATION_BYTES = 4_096
"""Largest configuration of a component: with it, and everything else at its longest, a recipe
stays under the 8,196 bytes that nucleus lite reads."""

CONTEXT_FIELDS: tuple[schema.Field[Any], ...] = (
    device.CORE_NAME,
    schema.Field(
        "certificateId",
        schema.text(
            _CERTIFICATE,
            "must be the 64 lowercase hexadecimal digits of a certificate's id, or its ARN",
        ),
        None,
        "0123456789abcdef" * 4,
        "Id or ARN of the active certificate that the core uses",
    ),
    schema.Field(
        "modelS3Uri",
        parse_s3_uri,
        None,
        "s3://my-bucket/model.tar.gz",
        "The model's archive in S3, in the core's account and Region",
    ),
    schema.Field(
        "modelPath",
        parse_model_path,
        None,
        "path/to/model.tar.gz",
        "The model's folder or archive on this machine",
    ),
    schema.Field(
        "modelProfile",
        schema.text(r"[^\x00-\x1f]{1,1024}", "must be the name or the path of a profile"),
        "gluoncv-ssd-voc",
        "gluoncv-ssd-voc",
        "Name or path of the model's description",
    ),
    *device.INFERENCE_FIELDS,
)

_EXAMPLES = {field.key: field.example for field in CONTEXT_FIELDS}


@dataclass(frozen=True)
class Settings:
    """Everything that a user says about one core, checked.

    ``certificate`` is an id or an ARN; ``model`` is an object in S3, or a folder or archive here;
    ``model_profile`` is a built-in name or a path.
    """

    certificate: str
    model: S3Object | Path
    model_profile: str
    inference: device.InferenceSettings

    @property
    def core_name(self) -> str:
        """The core's name, which ends its topics and begins the names of what it owns."""
        return self.inference.core_name

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> "Settings":
        """Parse an app's context: values are strings after ``-c``, JSON's types after cdk.json.

        CDK's own keys are left alone.

        Raises:
            ConfigurationError: naming every unknown key and every value that breaks its rule; the
                example of each is the ``-c`` that mends it.
        """
        own = {key: value for key, value in context.items() if not _CDK_OWN_KEY.fullmatch(key)}
        parsed, found = schema.parse_fields(CONTEXT_FIELDS, own)
        faults = [_mended_by_option(fault) for fault in found]
        faults += _missing(own)
        faults += _profile_faults(parsed["modelProfile"], parsed["classes"])
        if faults:
            raise schema.ConfigurationError(faults)
        inference = device.InferenceSettings.from_fields(parsed)
        faults = _size_faults(inference)
        if faults:
            raise schema.ConfigurationError(faults)
        return cls(
            certificate=parsed["certificateId"],
            model=parsed["modelS3Uri"] or parsed["modelPath"],
            model_profile=parsed["modelProfile"],
            inference=inference,
        )


def report(error: schema.ConfigurationError) -> str:
    """Return what the user reads instead of a template: a header, then one line a fault."""
    count = len(error.faults)
    header = f"{count} fault{'s' if count > 1 else ''} in the context; nothing was synthesised:"
    return "\n  ".join([header, *(str(fault) for fault in error.faults)])


def _option(key: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"-c {key}={shlex.quote(text)}"


def _mended_by_option(fault: schema.Fault) -> schema.Fault:
    """Return ``fault`` with the option that mends it; an unknown key is mended to the nearest."""
    if fault.key in _EXAMPLES:
        option = _option(fault.key, _EXAMPLES[fault.key])
    else:
        near = difflib.get_close_matches(fault.key, list(_EXAMPLES), n=1, cutoff=0.5)
        option = _option(near[0], fault.value) if near else ""
    return dataclasses.replace(fault, example=option)


def _missing(own: Mapping[str, object]) -> Iterable[schema.Fault]:
    for key in ("coreName", "certificateId"):
        if own.get(key) is None:
            yield _mended_by_option(schema.Fault(key, None, "is required"))
    uri, path = own.get("modelS3Uri"), own.get("modelPath")
    if uri is None and path is None:
        rule = "is required, unless modelPath is given"
        yield _mended_by_option(schema.Fault("modelS3Uri", None, rule))
    if uri is not None and path is not None:
        rule = "cannot stand beside modelS3Uri: leave one of the two out"
        yield schema.Fault("modelPath", path, rule)


def _profile_faults(name_or_path: str, classes: tuple[str, ...]) -> Iterable[schema.Fault]:
    try:
        model = profile.load_profile(name_or_path)
    except schema.ConfigurationError as error:
        for fault in error.faults:
            yield _mended_by_option(fault) if fault.key == "modelProfile" else fault
        return
    labels = model.labels or ()
    strangers = [name for name in classes if name not in labels] if labels else []
    if strangers:
        near = difflib.get_close_matches(strangers[0], labels, n=1, cutoff=0) or labels[:1]
        rule = f"must be among the {len(labels)} labels of the profile {model.name}"
        yield schema.Fault("classes", ",".join(strangers), rule, _option("classes", near[0]))


def _size_faults(inference: device.InferenceSettings) -> list[schema.Fault]:
    configuration = inference.to_configuration()
    size = len(json.dumps(configuration))
    if size <= MAX_CONFIGURATION_BYTES:
        return []
    key = max(("classes", "imageSource"), key=lambda name: len(json.dumps(configuration[name])))
    rule = f"makes a configuration of {size} bytes; a core takes {MAX_CONFIGURATION_BYTES}"
    return [schema.Fault(key, configuration[key], rule, _option(key, _EXAMPLES[key]))]
