"""Every key of ``cdk deploy -c``: how it is read, its default, and what it means.

To add a key that only the app reads, add its ``Field`` here, or in the module of its group, and the
attribute of :class:`stacks.context.settings.Settings`. A key that the device reads is declared in
:mod:`inference.settings`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from inference import schema
from inference import settings as device
from inference.feedback.configuration import default_configuration
from inference.model.engines.runnable import RUNTIMES
from inference.names import CORE_NAME_PATTERN
from stacks.context import image_source, values
from stacks.context.components import EXAMPLE
from stacks.context.model_source import parse_model_path, parse_s3_uri, parse_training_job
from stacks.context.monitoring import MONITORING_FIELDS
from stacks.context.rollout import Rollout
from stacks.context.simulator import SIMULATOR_FIELDS

ARCHITECTURES = ("x86_64", "aarch64")
CONNECTOR_ARCHITECTURES = (*ARCHITECTURES, "armv7l")
ESTIMATORS = ("function", "connector")

_CERTIFICATE = r"(?:arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:cert/)?[0-9a-f]{64}"
_KMS_KEY = (
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/"
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})"
)
CORE_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field(
        "certificateId",
        schema.text(
            _CERTIFICATE,
            "must be the 64 lowercase hexadecimal digits of a certificate's id, or its ARN",
        ),
        None,
        "0123456789abcdef" * 4,
        "Id or ARN of the active certificate that the core uses",
        attribute="certificate",
    ),
    schema.Field(
        "certificateSigningRequest",
        values.certificate_signing_request,
        None,
        "core.csr",
        "Path of a certificate signing request: the stack creates the certificate, and the key "
        "never leaves the device",
    ),
    schema.Field(
        "modelS3Uri",
        parse_s3_uri,
        None,
        "s3://my-bucket/model.tar.gz",
        "The model's archive or `.onnx` file in S3, in the core's account and Region",
        attribute="model",
    ),
    schema.Field(
        "modelPath",
        parse_model_path,
        None,
        "path/to/model.tar.gz",
        "The model's folder, archive or `.onnx` file on this machine",
        attribute="model",
    ),
    schema.Field(
        "sageMakerJobArn",
        parse_training_job,
        None,
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/my-classifier",
        "Training job of the model, in place of modelS3Uri and modelPath, for "
        "`estimator=connector`",
        attribute="model",
    ),
    schema.Field(
        "modelRuntime",
        schema.choice(*RUNTIMES),
        None,
        "onnxruntime",
        "Engine of the model: `dlr` for a compiled one, `onnxruntime` for an `.onnx` file. The "
        "device installs the packages of this engine only",
    ),
    schema.Field(
        "modelProfile",
        schema.text(r"[^\x00-\x1f]{1,1024}", "must be the name or the path of a profile"),
        "gluoncv-ssd-voc",
        "gluoncv-ssd-voc",
        "Name or path of the model's description; required for ONNX Runtime",
    ),
    schema.Field(
        "greengrassVersion",
        values.greengrass_version,
        2,
        "2",
        "`2` is a component; `1` is a group of V1, which AWS shut down on 7 October 2026",
    ),
    schema.Field(
        "estimator",
        schema.choice(*ESTIMATORS),
        "function",
        "function",
        "What predicts: `function` is this project's code; in V1 also AWS's Image Classification "
        "[`connector`](v1.md#predictions-by-awss-connector)",
    ),
    schema.Field(
        "kmsKeyArn",
        schema.text(_KMS_KEY, "must be the ARN of a key of AWS KMS, not its id or an alias"),
        None,
        "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
        "Key that encrypts the buckets that the stack creates; left out, Amazon S3's own key",
    ),
    schema.Field(
        "mqttPort",
        values.mqtt_port,
        8883,
        "443",
        "Port of AWS IoT to which the core connects: `8883`, or `443` where a firewall permits no "
        "other (not with nucleus lite)",
    ),
    schema.Field(
        "networkProxy",
        values.network_proxy,
        None,
        "http://proxy.example.com:3128",
        "URL of the [proxy](context.md#what-goes-with-what) through which the core reaches AWS",
    ),
    schema.Field(
        "fleetName",
        schema.text(
            CORE_NAME_PATTERN,
            "must be 1 to 64 letters, digits, hyphens or underscores, beginning with a letter or "
            "digit",
        ),
        None,
        "shop-floor",
        "Name of a [fleet](fleet.md), in place of `coreName`: its thing group has this name",
    ),
    schema.Field(
        "components",
        values.components,
        (),
        EXAMPLE,
        "Other components that the deployment [keeps](context.md#what-goes-with-what) on its "
        "cores: `name=version,…`, or JSON with their configurations, or the path of a file",
        attribute="other_components",
    ),
    schema.Field(
        "dropComponents",
        schema.boolean,
        False,
        "true",
        "`true` lets a deployment remove components that others deployed to the same cores",
    ),
    schema.Field(
        "rollout",
        values.rollout,
        Rollout(),
        "rollout.json",
        "How fast a deployment reaches the cores of a [fleet](fleet.md#rollouts), and when it "
        "stops: JSON, or the path of a file; left out, all at once",
    ),
)

FEEDBACK = schema.Field("feedback", schema.boolean, True, "true", "`false` keeps no samples")

FEEDBACK_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field(
        "feedbackBucketName",
        values.bucket,
        None,
        "my-feedback-bucket",
        "Name or ARN of the samples' bucket; left out, the stack creates one",
        attribute="bucket_name",
    ),
    schema.Field(
        "feedbackConfiguration",
        values.feedback_configuration,
        default_configuration(),
        "feedback.json",
        "[Which samples are kept](samples.md#what-is-kept), in the MLFeedback connector's own "
        "schema: JSON, or the path of a file; left out, a random half, confidence up to 0.5, "
        "entropy above 1.0",
        attribute="configuration",
    ),
    schema.Field(
        "feedbackRetentionDays",
        schema.integer(1, 36_500),
        None,
        "90",
        "Days after which Amazon S3 [deletes samples](samples.md#cost-and-retention) in the bucket "
        "that the stack creates; left out, they are kept",
        attribute="retention_days",
    ),
)
"""The attributes of ``FeedbackSettings``."""

PACKAGE_FIELDS: tuple[schema.Field[Any], ...] = (
    schema.Field(
        "dependencies",
        schema.choice("online", "bundled"),
        "online",
        "online",
        "`online`: the device installs Python packages from its package index; `bundled`: they are "
        "in the artifact, and the device needs no Internet access",
    ),
    schema.Field(
        "architecture",
        schema.choice(*CONNECTOR_ARCHITECTURES),
        "x86_64",
        "x86_64",
        "Processor of the device: "
        + " or ".join(ARCHITECTURES)
        + " for `dependencies=bundled`; `armv7l` too for `estimator=connector`",
    ),
)

APP_FIELDS = (*CORE_FIELDS, *MONITORING_FIELDS, *PACKAGE_FIELDS, *SIMULATOR_FIELDS)
"""The attributes of ``Settings`` itself."""


def _as_context(field: schema.Field[Any]) -> schema.Field[Any]:
    """Return a field of the device with the reader of the context, where that is stricter."""
    stricter = {"imageSource": image_source.parse}
    return dataclasses.replace(field, parse=stricter.get(field.key, field.parse))


CONTEXT_FIELDS: tuple[schema.Field[Any], ...] = (
    device.CORE_NAME,
    *CORE_FIELDS,
    *(_as_context(field) for field in device.INFERENCE_FIELDS),
    FEEDBACK,
    *FEEDBACK_FIELDS,
    device.FEEDBACK_REQUEST_LIMIT,
    device.FEEDBACK_RATE_LIMIT,
    *MONITORING_FIELDS,
    *PACKAGE_FIELDS,
    *SIMULATOR_FIELDS,
)

RETIRED: Mapping[str, str] = {"thingGroupName": "fleetName"}
"""Keys of earlier versions, and the key that took their place: docs/migration.md has the rest."""

EXAMPLES = {field.key: field.example for field in CONTEXT_FIELDS}
