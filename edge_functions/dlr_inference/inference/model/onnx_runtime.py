"""The only module that knows ``onnxruntime``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ..errors import ModelError
from ..memory import return_freed_memory
from ..preflight import explain_import_error
from .artifact import ModelArtifact
from .input_checks import check_tensor, wrong_input
from .onnx_files import onnx_file
from .profile import InputSpec

_PROVIDERS: Mapping[str, str] = {"cpu": "CPUExecutionProvider", "gpu": "CUDAExecutionProvider"}
_DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
}

_log = logging.getLogger(__name__)


def import_onnxruntime() -> Any:
    """Import ``onnxruntime``.

    Raises:
        ModelError: if it is missing, or lacks a shared library.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(f"ONNX Runtime cannot be used: {explain_import_error(error)}") from None
    return onnxruntime


class OnnxRuntimeModel:
    """A model with one input that is loaded into ONNX Runtime. Several threads may call it."""

    def __init__(self, artifact: ModelArtifact, spec: InputSpec, accelerator: str = "cpu") -> None:
        """Load the model.

        Raises:
            ModelError: if ONNX Runtime refuses it, or it has other inputs than the profile says.
        """
        self._spec = spec
        self._folder = artifact.folder
        ort = import_onnxruntime()
        try:
            self._session = _open_session(ort, onnx_file(artifact.folder), accelerator)
        except ModelError:
            raise
        except Exception as error:  # its exceptions have no common class but this one
            raise ModelError(
                f"model {artifact.folder}: ONNX Runtime cannot load it on {accelerator}: {error}"
            ) from None
        self.versions: Mapping[str, str] = {"onnxruntime": str(ort.__version__)}
        self.output_names: tuple[str, ...] = tuple(
            str(one.name) for one in self._session.get_outputs()
        )
        self._dtype = self._checked_input()
        _log.info(
            "model %s, sha256 %s, on %s, ONNX Runtime %s",
            artifact.folder,
            artifact.sha256,
            accelerator,
            ort.__version__,
        )

    def run(self, tensor: Any) -> list[Any]:
        """Run the model on ``tensor`` and return its outputs as new arrays.

        Raises:
            ValueError: if the tensor has another shape or dtype than the profile says.
            ModelError: if the run fails.
        """
        check_tensor(tensor, self._spec)
        given = tensor.astype(self._dtype, copy=False)
        try:
            outputs = self._session.run(None, {self._spec.name: given})
        except Exception as error:
            raise ModelError(f"model {self._folder}: the run failed: {error}") from None
        return [_as_usual(output) for output in outputs]

    def warm_up(self) -> list[Any]:
        """Run once on zeros, so that the first frame is not slower; return the outputs."""
        outputs = self.run(np.zeros(self._spec.shape, self._spec.dtype))
        return_freed_memory()
        return outputs

    def _checked_input(self) -> str:
        """Compare the model's inputs with the profile's; return the dtype that the model takes."""
        inputs = self._session.get_inputs()
        names = [str(one.name) for one in inputs]
        if names != [self._spec.name]:
            raise self._wrong_input("has the inputs " + ", ".join(names))
        dtype = _DTYPES.get(inputs[0].type, str(inputs[0].type))
        if dtype != self._spec.dtype and (dtype, self._spec.dtype) != ("float16", "float32"):
            raise self._wrong_input(f"takes {dtype}")
        if not _fits(inputs[0].shape, self._spec.shape):
            raise self._wrong_input(f"takes {inputs[0].shape}")
        return dtype

    def _wrong_input(self, fact: str) -> ModelError:
        return wrong_input(self._folder, self._spec, fact)


def _open_session(ort: Any, file: Path, accelerator: str) -> Any:
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(file), options, providers=[_PROVIDERS[accelerator]])


def _fits(shape: list[Any], given: tuple[int, ...]) -> bool:
    """Tell whether a model takes a tensor of this shape; a dynamic extent is a name or None."""
    return not shape or (
        len(shape) == len(given)
        and all(one == two for one, two in zip(shape, given) if isinstance(one, int) and one >= 0)
    )


def _as_usual(output: Any) -> Any:
    """Return an output as float32 if it is float16, in which NumPy calculates very slowly."""
    return output.astype(np.float32) if output.dtype == np.float16 else output
