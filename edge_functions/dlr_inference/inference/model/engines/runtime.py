"""Loads a model into the engine that its artifact is for, and imports no other engine."""

from __future__ import annotations

from ..artifacts.artifact import ModelArtifact
from ..profiles.profile import InputSpec
from .runnable import DLR, ModelRuntime


def open_runtime(
    artifact: ModelArtifact, spec: InputSpec, accelerator: str = "cpu"
) -> ModelRuntime:
    """Load the model of ``artifact``, whose input is ``spec``, on ``accelerator``.

    Raises:
        ModelError: if the engine is missing or refuses the model, or if the model has other inputs
            than the profile says.
    """
    if artifact.runtime == DLR:
        from .dlr import DlrModel

        return DlrModel(artifact, spec, accelerator)
    from .onnx_runtime import OnnxRuntimeModel

    return OnnxRuntimeModel(artifact, spec, accelerator)
