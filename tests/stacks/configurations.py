"""The configurations whose templates are snapshots, and are checked as a whole."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from stacks.component import wheels
from tests.stacks.synthesis import CERTIFICATE_ID, templates_of

REQUEST = Path(__file__).parent / "data" / "core.csr"

_MODEL = {"modelS3Uri": "s3://bucket/models/model.tar.gz"}
_CORE = {"coreName": "Demo", "certificateId": CERTIFICATE_ID, **_MODEL}

# A bucket that the account's Greengrass service role may read: V1 warns of any other.
_V1 = {**_CORE, "greengrassVersion": "1", "modelS3Uri": "s3://greengrass-models/model.tar.gz"}

ROLLOUT = {
    "maximumPerMinute": 100,
    "exponentialRate": {
        "baseRatePerMinute": 5,
        "incrementFactor": 2,
        "rateIncreaseCriteria": {"numberOfSucceededThings": 5},
    },
    "abortCriteria": [
        {"failureType": "FAILED", "thresholdPercentage": 20, "minNumberOfExecutedThings": 5}
    ],
    "inProgressTimeoutInMinutes": 90,
}

_TARGET = "arn:aws:{}:ap-southeast-2:123456789012:{}"
ACTIONS: list[dict[str, object]] = [
    {
        "name": "person",
        "label": "person",
        "minScore": 0.8,
        "target": _TARGET.format("sns", "alerts"),
    },
    {
        "name": "kits",
        "label": ["n02966687 carpenter's kit, tool kit", "hammer"],
        "target": _TARGET.format("sqs", "tools"),
    },
    {"name": "any_label", "target": _TARGET.format("lambda", "function:count")},
    {
        "name": "kept",
        "label": "cup",
        "minScore": 0.5,
        "target": _TARGET.format("firehose", "deliverystream/kept"),
    },
]

CONFIGURATIONS: dict[str, dict[str, object]] = {
    "v2": {**_CORE},
    "v2-request-and-bundled": {
        "coreName": "Demo",
        "certificateSigningRequest": str(REQUEST),
        "dependencies": "bundled",
        "architecture": "aarch64",
        **_MODEL,
    },
    "v2-onnxruntime": {
        **_CORE,
        "modelS3Uri": "s3://bucket/models/yolo11n.onnx",
        "modelProfile": "yolo11-coco",
    },
    "v2-own-bucket": {**_CORE, "feedbackBucketName": "samples", "feedbackRequestLimit": "10"},
    "v2-fleet": {"fleetName": "shop-floor", **_MODEL},
    "v2-kms": {
        **_CORE,
        "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
    },
    "v2-fleet-rollout": {
        "fleetName": "shop-floor",
        **_MODEL,
        "rollout": ROLLOUT,
        "components": {
            "aws.greengrass.LogManager": "2.3.9",
            "com.org.LogShipper": {"version": "1.4.0", "configuration": {"level": "info"}},
        },
    },
    "v2-watched": {
        **_CORE,
        "dashboard": "true",
        "alarmEmail": "ops@example.com",
        "messageFormat": "envelope",
        "localTopic": "line1/predictions",
        "actions": ACTIONS,
    },
    "v2-fleet-watched": {
        "fleetName": "shop-floor",
        **_MODEL,
        "dashboard": "true",
        "alarmEmail": "ops@example.com",
        "messageFormat": "envelope",
        "actions": ACTIONS[:1],
    },
    "v2-without-feedback": {**_CORE, "feedback": "false"},
    "v2-simulator": {**_CORE, "simulator": "true"},
    "v1": {**_V1},
    "v1-connector": {
        **{key: value for key, value in _V1.items() if key != "modelS3Uri"},
        "estimator": "connector",
        "sageMakerJobArn": "arn:aws:sagemaker:ap-southeast-2:123456789012:training-job/pets",
        "modelProfile": "sagemaker-image-classification",
        "architecture": "aarch64",
        "accelerator": "gpu",
    },
    "v1-simulator": {
        **_V1,
        "simulator": "true",
        "simulatorArchitecture": "arm64",
        "simulatorKeyName": "my-key",
        "simulatorSshCidr": "203.0.113.7/32",
    },
}


WATCHED = {"v2-watched", "v2-fleet-watched"}
"""Those that need the second policy of the deployer."""


@cache
def templates(name: str) -> dict[str, dict[str, Any]]:
    """The templates of a configuration by their stacks, synthesised once per session."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(wheels, "CACHE", Path(folder)),
        mock.patch.object(wheels, "bundled_wheels", stand_in_wheels),
    ):
        return templates_of(Path(folder) / "cdk.out", CONFIGURATIONS[name])


def stand_in_wheels(architecture: str, runtime: str) -> tuple[Path, ...]:
    """A wheel in name only: the real ones are 130 MB to download."""
    wheel = wheels.CACHE / f"stand_in-1.0-py3-none-any.{architecture}.whl"
    wheel.write_bytes(architecture.encode())
    return (wheel,)


_STACKS = {
    "v2-fleet": "DlrInferenceFleet-shop-floor",
    "v2-fleet-rollout": "DlrInferenceFleet-shop-floor",
    "v2-fleet-watched": "DlrInferenceFleet-shop-floor",
}

ALL_TEMPLATES = [
    (name, _STACKS.get(name, "Demo-Simulator" if "simulator" in name else "Demo"))
    for name in CONFIGURATIONS
]
"""Each template that no other configuration has."""


def template(name: str, stack: str = "Demo") -> dict[str, Any]:
    """One template of a configuration."""
    return templates(name)[stack]
