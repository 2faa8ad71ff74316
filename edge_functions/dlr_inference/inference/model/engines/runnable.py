"""The interface of a model that a pipeline can run, and the names of the engines that run one."""

from __future__ import annotations

from typing import Any, Mapping, Protocol

DLR = "dlr"
ONNX_RUNTIME = "onnxruntime"
RUNTIMES = (DLR, ONNX_RUNTIME)
"""Values of ``modelRuntime``, which are also the names of the engines' Python packages."""

NAMES: Mapping[str, str] = {DLR: "DLR", ONNX_RUNTIME: "ONNX Runtime"}
"""What messages call the engines."""


class RunnableModel(Protocol):
    """A model in this process, or a service that runs one."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of its libraries, by name, for telemetry."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs in their order; empty where they are not known."""

    def run(self, tensor: Any) -> list[Any]:
        """Return the outputs for ``tensor``, which the preprocess stage returned.

        Raises:
            FrameError: if this frame failed, but the next one may not.
            ModelError: if the model cannot be used.
        """


class ModelRuntime(RunnableModel, Protocol):
    """A model that an engine has loaded into this process. Several threads may call it."""

    def warm_up(self) -> list[Any]:
        """Run once on zeros, and return the outputs."""
