"""What Greengrass V1 refuses in a connector, for the two of them whose parameters it knows.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html and
https://docs.aws.amazon.com/greengrass/v1/developerguide/image-classification-connector.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_CONNECTOR_ARN = r"arn:aws[\w-]*:greengrass:[\w-]+::/connectors/(?P<name>[\w-]+)/versions/\d+"
_CONFIGURATION_ID = r"[a-zA-Z0-9][a-zA-Z0-9-]{1,62}"
_BUCKET = r"[a-z0-9.-]{3,63}"
_REQUEST_LIMIT = r"([0-9]{1,3})?"
_LIMITS: Mapping[str, tuple[str, float]] = {
    "RANDOM_SAMPLING": ("rate", 1.0),
    "LEAST_CONFIDENCE": ("threshold", 1.0),
    "MARGIN": ("threshold", 1.0),
    "ENTROPY": ("threshold", float("inf")),
}
"""The setting of each sampling strategy and its largest value; the smallest is 0."""

IMAGE_CLASSIFICATION = "ImageClassification"
"""The name of that connector begins so and ends with a processor."""

_WITH_GPU = "ImageClassificationAarch64JTX2"
_WHOLE_NUMBER = r"[1-9][0-9]*"
_CLASSIFICATION: Mapping[str, str] = {
    "MLModelDestinationPath": r".+",
    "MLModelResourceId": r"[a-zA-Z0-9:_-]+",
    "MLModelSageMakerJobArn": (
        r"arn:aws:sagemaker:[a-zA-Z0-9-]+:[0-9]+:training-job/[a-zA-Z0-9][a-zA-Z0-9-]+"
    ),
    "LocalInferenceServiceName": r"[a-zA-Z0-9][a-zA-Z0-9-]{1,62}",
    "LocalInferenceServiceTimeoutSeconds": _WHOLE_NUMBER,
    "LocalInferenceServiceMemoryLimitKB": _WHOLE_NUMBER,
}
"""The required parameters of the Image Classification connector, version 2, and their patterns."""


def connector_name(arn: object) -> str:
    """Return the name in a connector's ARN; it is empty if this is not one."""
    match = re.fullmatch(_CONNECTOR_ARN, str(arn))
    return match["name"] if match else ""


def connector_faults(connector: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one connector of a definition."""
    name, parameters = connector_name(connector.get("ConnectorArn")), connector.get("Parameters")
    if not name:
        yield f"ConnectorArn {connector.get('ConnectorArn')!r} is not the ARN of a connector"
    elif name == "MLFeedback":
        yield from _feedback_faults(parameters or {})
    elif name.startswith(IMAGE_CLASSIFICATION):
        yield from _classification_faults(name, parameters or {})


def _classification_faults(name: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    required = dict(_CLASSIFICATION)
    if name == _WITH_GPU:
        required["GPUAcceleration"] = "CPU|GPU"
    patterns = {**required, "MLFeedbackConnectorConfigId": f"({_CONFIGURATION_ID})?"}
    yield from (f"the parameter {key} is required" for key in required if key not in parameters)
    for key, value in parameters.items():
        if key not in patterns:
            yield f"the parameter {key} is not known"
        elif not re.fullmatch(patterns[key], value):
            yield f"{key} {value!r} does not match {patterns[key]}"


def _feedback_faults(parameters: Mapping[str, Any]) -> Iterator[str]:
    known = {"FeedbackConfigurationMap", "RequestLimit"}
    yield from (f"the parameter {name} is not known" for name in parameters if name not in known)
    if not re.fullmatch(_REQUEST_LIMIT, parameters.get("RequestLimit", "")):
        yield f"RequestLimit {parameters['RequestLimit']!r} does not match {_REQUEST_LIMIT}"
    try:
        configurations = json.loads(parameters["FeedbackConfigurationMap"])
        items = list(configurations.items())
    except KeyError:
        yield "the parameter FeedbackConfigurationMap is required"
    except (AttributeError, ValueError):
        yield "FeedbackConfigurationMap is not a JSON object"
    else:
        for name, configuration in items:
            if not re.fullmatch(_CONFIGURATION_ID, name):
                yield f"the configuration id {name!r} does not match {_CONFIGURATION_ID}"
            yield from (f"{name}: {fault}" for fault in _configuration_faults(configuration))


def _configuration_faults(configuration: Any) -> Iterator[str]:
    if not isinstance(configuration, dict):
        yield "the configuration must be an object"
        return
    known = {"s3-bucket-name", "content-type", "s3-prefix", "file-ext", "sampling-strategy"}
    yield from (f"{name} is not known" for name in configuration if name not in known)
    if not re.fullmatch(_BUCKET, str(configuration.get("s3-bucket-name", ""))):
        yield f"s3-bucket-name is required and must match {_BUCKET}"
    if not configuration.get("content-type"):
        yield "content-type is required"
    strategy = configuration.get("sampling-strategy")
    if strategy is not None:
        yield from _strategy_faults(strategy)


def _strategy_faults(strategy: Any) -> Iterator[str]:
    name = str(strategy.get("strategy-name")) if isinstance(strategy, dict) else ""
    if name not in _LIMITS:
        yield f"strategy-name is {name!r}, not one of {', '.join(_LIMITS)}"
        return
    setting, largest = _LIMITS[name]
    value = strategy.get(setting)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= largest:
        yield f"{setting} of {name} must be a number from 0 to {largest:g}"
