"""Which engine runs a model, as far as the context and a local artifact say it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference import schema
from inference.model.artifacts.onnx_files import ONNX_SUFFIX
from inference.model.engines.runnable import DLR, NAMES, ONNX_RUNTIME
from stacks.context.model_source import S3Object, onnx_model_at
from stacks.context.report import option

KEY = "modelRuntime"


def chosen_runtime(parsed: Mapping[str, Any]) -> str:
    """Return the engine of a context: the one given, or that of the artifact, or DLR."""
    given: str | None = parsed[KEY]
    return given or _of_artifact(parsed)[1] or DLR


def faults_of_runtime(parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the faults of an engine that is not the artifact's, or lacks the accelerator.

    What an archive in S3 holds is not known here: the device refuses a contradiction at install.
    """
    key, actual = _of_artifact(parsed)
    chosen = chosen_runtime(parsed)
    if actual is not None and actual != chosen:
        rule = f"cannot run what {key} names, which is for {NAMES[actual]}"
        yield schema.Fault(KEY, chosen, rule, option(KEY, actual))
    if chosen == ONNX_RUNTIME and parsed["accelerator"] == "opencl":
        rule = "must be cpu or gpu for modelRuntime=onnxruntime"
        yield schema.Fault("accelerator", "opencl", rule, option("accelerator", "cpu"))


def refused_with_v1(parsed: Mapping[str, Any]) -> Iterable[schema.Fault]:
    """Yield the fault of a model that is not for DLR, the only engine of Greengrass V1."""
    if chosen_runtime(parsed) == ONNX_RUNTIME:
        rule = "requires greengrassVersion=2: a core of V1 runs compiled models (DLR) only"
        yield schema.Fault(KEY, ONNX_RUNTIME, rule, option("greengrassVersion", "2"))


def _of_artifact(parsed: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the key that names the artifact, and the engine that it shows, if it does."""
    path, source = parsed["modelPath"], parsed["modelS3Uri"]
    if isinstance(path, Path):
        return "modelPath", DLR if onnx_model_at(path) is None else ONNX_RUNTIME
    if isinstance(source, S3Object) and source.name.endswith(ONNX_SUFFIX):
        return "modelS3Uri", ONNX_RUNTIME
    return "modelS3Uri", None
