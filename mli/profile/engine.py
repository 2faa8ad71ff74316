"""Runs a model on this machine by the engine that it is for, safe from a model that crashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.model.artifacts.artifact import ModelArtifact
from inference.model.engines.runnable import ONNX_RUNTIME
from inference.model.engines.trying import try_in_child
from inference.model.profiles.profile import InputSpec
from inference.vision.geometry import Fit
from inference.vision.preprocess import Preprocessor

from .dlr_child import run_in_child
from .inspection import Inspection


class Engine:
    """Runs one model on photographs, once for each way of preparing them.

    A compiled model runs in a process of its own each time. ONNX Runtime runs a model in this
    process after it has run once in another.
    """

    def __init__(self, found: Inspection) -> None:
        self.versions: Mapping[str, str] = {}
        self._found = found
        self._known: dict[tuple[InputSpec, int], tuple[list[Any], Fit]] = {}
        self._loaded: Any = None

    def run(self, spec: InputSpec, pixels: Any) -> tuple[list[Any], Fit]:
        """Return the outputs for a photograph (height, width, 3), and how it was fitted.

        Raises:
            ModelError, MliError: in one line, if the model cannot be run.
        """
        key = (spec, id(pixels))
        if key not in self._known:
            tensor, fitted = Preprocessor(spec)(pixels)
            self._known[key] = self._outputs(spec, tensor), fitted
        return self._known[key]

    def _outputs(self, spec: InputSpec, tensor: Any) -> list[Any]:
        if self._found.runtime != ONNX_RUNTIME:
            done = run_in_child(self._found.folder, spec.name, tensor)
            self.versions = done.versions
            return done.outputs
        if self._loaded is None:
            from inference.model.engines.onnx_runtime import OnnxRuntimeModel

            artifact = ModelArtifact(self._found.folder, sha256="", runtime=ONNX_RUNTIME)
            try_in_child(artifact, spec)
            self._loaded = OnnxRuntimeModel(artifact, spec)
            self.versions = self._loaded.versions
        outputs: list[Any] = self._loaded.run(tensor)
        return outputs
