"""Every key of ``cdk deploy -c``: how it is read, its default, and what it means."""

import json
import re
from typing import Any

from inference import schema
from inference import settings as device
from stacks import names
from stacks.component.model_source import parse_model_path, parse_s3_uri
from stacks.context import values as context_values

ARCHITECTURES = ("x86_64", "aarch64")
SIMULATOR_ARCHITECTURES = ("x86_64", "arm64")

_CERTIFICATE = r"(?:arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:cert/)?[0-9a-f]{64}"
_CDK_OWN_KEY = re.compile(
    r"@.*|.*:.*|(?:aws-)?cdk-.*|cli-telemetry|acknowledged-issue-numbers", re.DOTALL
)

CORE_FIELDS: tuple[schema.Field[Any], ...] = (
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
        "certificateSigningRequest",
        context_values.certificate_signing_request,
        None,
        "core.csr",
        "Path of a certificate signing request: the stack makes the certificate, and the key never "
        "leaves the device",
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
    schema.Field(
        "greengrassVersion",
        schema.choice("1", "2"),
        "2",
        "2",
        "`2` is the component; `1` the group, which AWS shut down on 7 October 2026",
    ),
    schema.Field(
        "thingGroupName",
        schema.text(
            names.THING_GROUP_PATTERN,
            "must be the name of a thing group: letters, digits, :, _ and -, at most 128",
        ),
        None,
        "shop-floor",
        "Thing group of a [fleet](fleet.md): the stack makes it, and deploys to it what it deploys "
        "to the core",
    ),
)

FEEDBACK_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field("feedback", schema.boolean, True, "true", "`false` keeps no samples"),
    schema.Field(
        "feedbackBucketName",
        context_values.bucket,
        None,
        "my-feedback-bucket",
        "Name or ARN of the samples' bucket; left out, the stack makes one",
    ),
    schema.Field(
        "feedbackConfiguration",
        context_values.feedback_configuration,
        None,
        "feedback.json",
        "Which samples are kept, in the MLFeedback connector's own schema: JSON, or the path of a "
        "file; left out, a random half, confidence up to 0.5, entropy above 1.0",
    ),
    schema.Field(
        "feedbackRequestLimit",
        context_values.request_limit,
        "",
        "10",
        "Most samples in work at once, the rest is dropped; 0 is no limit",
    ),
)

PACKAGE_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field(
        "dependencies",
        schema.choice("online", "bundled"),
        "online",
        "online",
        "`online`: the device installs Python packages from its package index; `bundled`: they are "
        "in the artifact, and the device needs no Internet",
    ),
    schema.Field(
        "architecture",
        schema.choice(*ARCHITECTURES),
        "x86_64",
        "x86_64",
        "Processor of the device, for `dependencies=bundled`: " + " or ".join(ARCHITECTURES),
    ),
)

SIMULATOR_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field("simulator", schema.boolean, False, "true", "`true` also makes an EC2 core"),
    schema.Field(
        "simulatorInstanceType",
        schema.text(
            r"[a-z][a-z0-9-]{0,15}\.[a-z0-9-]{1,16}",
            "must be an EC2 instance type such as t3.medium",
        ),
        None,
        "t3.medium",
        "Its instance type; left out, `t3.medium` or `t4g.medium` by the architecture",
    ),
    schema.Field(
        "simulatorArchitecture",
        schema.choice(*SIMULATOR_ARCHITECTURES),
        "x86_64",
        "x86_64",
        "Its processor: " + " or ".join(SIMULATOR_ARCHITECTURES),
    ),
    schema.Field(
        "simulatorKeyName",
        schema.text(r"[ -~]{1,255}", "must be the name of an EC2 key pair"),
        None,
        "my-key",
        "Key pair for SSH, only with simulatorSshCidr; Session Manager needs neither",
    ),
    schema.Field(
        "simulatorSshCidr",
        context_values.network,
        None,
        "203.0.113.7/32",
        "IPv4 network that may use SSH, only with simulatorKeyName",
    ),
)

CONTEXT_FIELDS: tuple[schema.Field[Any], ...] = (
    *CORE_FIELDS,
    *device.INFERENCE_FIELDS,
    *FEEDBACK_FIELDS,
    *PACKAGE_FIELDS,
    *SIMULATOR_FIELDS,
)

EXAMPLES = {field.key: field.example for field in CONTEXT_FIELDS}


def own_context(context: dict[str, object]) -> dict[str, object]:
    """Return the context without the keys that the CDK itself puts or reads there."""
    return {key: value for key, value in context.items() if not _CDK_OWN_KEY.fullmatch(key)}


def markdown_table() -> str:
    """Return the table of keys that the documentation shows."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    required = {
        "coreName": "required",
        "certificateId": "this or certificateSigningRequest",
        "certificateSigningRequest": "–",
        "modelS3Uri": "this or modelPath",
        "feedbackConfiguration": "three strategies",
        "feedbackBucketName": "the stack makes one",
        "simulatorInstanceType": "by architecture",
        "confidenceThreshold": "the profile's",
        "topK": "the profile's",
        "classes": "all",
    }
    for field in CONTEXT_FIELDS:
        default = field.default
        if isinstance(default, float):
            default = f"{default:g}"
        elif isinstance(default, bool):
            default = json.dumps(default)
        shown = required.get(field.key, "–" if default in (None, "", ()) else f"`{default}`")
        meaning = field.meaning.replace("|", "\\|")
        rows.append(f"| `{field.key}` | {shown} | {meaning} |")
    return "\n".join(rows) + "\n"
