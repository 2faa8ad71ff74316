"""Rules of context keys that only Greengrass V1 has."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference import schema
from inference.model.profiles import profile
from stacks.context import monitoring
from stacks.context.keys import EXAMPLES
from stacks.context.model_runtime import refused_with_v1
from stacks.context.model_source import S3Object
from stacks.context.report import MissingKey, option, with_option

_JOB = "sageMakerJobArn"


def refused_by_v1(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults that only Greengrass V1 finds: it unpacks the model, from fewer formats."""
    source, path = parsed["modelS3Uri"], parsed["modelPath"]
    if isinstance(source, S3Object):
        rule = ""
        if "." in source.bucket:
            rule = "must name a bucket without periods for greengrassVersion=1"
        elif source.key.endswith(".tgz"):
            rule = "must end in .tar.gz or .zip for greengrassVersion=1"
        if rule:
            yield with_option(schema.Fault("modelS3Uri", given["modelS3Uri"], rule))
    if isinstance(path, Path) and path.is_file() and path.suffix not in (".zip", ".onnx"):
        rule = "must be a folder or a .zip file for greengrassVersion=1"
        yield schema.Fault(
            "modelPath", given["modelPath"], rule, option("modelPath", "path/to/model")
        )
    yield from refused_with_v1(parsed)
    yield from monitoring.refused_with_v1(given, parsed)
    if parsed["dependencies"] == "bundled":
        rule = "requires greengrassVersion=2: packages are installed on a V1 core in advance"
        yield schema.Fault("dependencies", "bundled", rule, option("dependencies", "online"))
    if parsed["fleetName"] is not None:
        rule = "requires greengrassVersion=2: a group of V1 has one core"
        yield schema.Fault("fleetName", given["fleetName"], rule, option("greengrassVersion", "2"))
    for key in ("components", "dropComponents"):
        if parsed[key]:
            rule = "requires greengrassVersion=2: a group of V1 has no components"
            yield schema.Fault(key, given[key], rule, option("greengrassVersion", "2"))
    if parsed["kmsKeyArn"] is not None:
        rule = "requires greengrassVersion=2: AWS's connectors cannot use a key of yours"
        yield schema.Fault("kmsKeyArn", given["kmsKeyArn"], rule, option("greengrassVersion", "2"))
    if given.get("feedbackRateLimit") is not None:
        rule = "requires greengrassVersion=2: AWS's MLFeedback connector limits only how many "
        rule += "samples are processed at once"
        correction = option("feedbackRequestLimit", EXAMPLES["feedbackRequestLimit"])
        yield schema.Fault("feedbackRateLimit", given["feedbackRateLimit"], rule, correction)
    for key in ("mqttPort", "networkProxy"):
        if given.get(key) is not None:
            rule = "requires greengrassVersion=2: a V1 core uses port 443, and its own config.json"
            yield schema.Fault(key, given[key], rule, option("greengrassVersion", "2"))
    if parsed["previewInterval"] is not None:
        rule = "requires greengrassVersion=2: the function of V1 sends no live pictures"
        yield schema.Fault(
            "previewInterval", given["previewInterval"], rule, option("greengrassVersion", "2")
        )
    if parsed["estimator"] == "connector":
        yield from _refused_by_connector(given, parsed)
    else:
        yield from _only_with_connector(given, parsed)


def refused_by_v2(given: Mapping[str, object], parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults of what only Greengrass V1 has: AWS's connectors."""
    if parsed["estimator"] == "connector":
        rule = "requires greengrassVersion=1: Greengrass V2 has no connectors"
        yield schema.Fault("estimator", "connector", rule, option("estimator", "function"))
    else:
        yield from _only_with_connector(given, parsed)


def _only_with_connector(
    given: Mapping[str, object], parsed: Mapping[str, Any]
) -> Iterable[schema.Fault]:
    if parsed[_JOB] is not None:
        rule = "requires estimator=connector, in greengrassVersion=1; the function has modelS3Uri"
        yield schema.Fault(_JOB, given[_JOB], rule, option("estimator", "connector"))
    if parsed["architecture"] == "armv7l":
        rule = "must be x86_64 or aarch64, unless estimator=connector"
        yield schema.Fault("architecture", "armv7l", rule, option("architecture", "aarch64"))


def _refused_by_connector(
    given: Mapping[str, object], parsed: Mapping[str, Any]
) -> Iterable[schema.Fault]:
    """Yield what does not fit AWS's Image Classification connector."""
    if given.get(_JOB) is None:
        rule = "is required for estimator=connector, whose model is that of a training job"
        yield MissingKey(_JOB, None, rule, option(_JOB, EXAMPLES[_JOB]))
    for key in ("modelS3Uri", "modelPath"):
        if given.get(key) is not None:
            rule = f"cannot be combined with estimator=connector, which uses {_JOB}: leave it out"
            yield schema.Fault(key, given[key], rule, option("estimator", "function"))
    if parsed["modelOverride"] is not None:
        rule = "requires estimator=function: the connector loads the training job's model only"
        yield schema.Fault(
            "modelOverride", given["modelOverride"], rule, option("estimator", "function")
        )
    if parsed["accelerator"] == "gpu" and parsed["architecture"] != "aarch64":
        rule = "requires architecture=aarch64 for estimator=connector: only AWS's connector for the"
        rule += " Jetson TX2 uses a GPU"
        yield schema.Fault("accelerator", "gpu", rule, option("accelerator", "cpu"))
    elif parsed["accelerator"] == "opencl":
        rule = "must be cpu or gpu for estimator=connector"
        yield schema.Fault("accelerator", "opencl", rule, option("accelerator", "cpu"))
    if parsed["simulator"]:
        rule = "requires estimator=function: the instance lacks what AWS's connector needs"
        yield schema.Fault("simulator", given["simulator"], rule, option("simulator", "false"))
    yield from _profile_of_no_classifier(parsed["modelProfile"])


def _profile_of_no_classifier(name_or_path: str) -> Iterable[schema.Fault]:
    try:
        output = profile.load_profile(name_or_path).output
    except (schema.ConfigurationError, OSError, UnicodeError):
        return  # the shared rules report it
    if output.kind != "classification":
        rule = f"must describe a classifier for estimator=connector; its outputs are {output.kind}"
        correction = option("modelProfile", "sagemaker-image-classification")
        yield schema.Fault("modelProfile", name_or_path, rule, correction)
