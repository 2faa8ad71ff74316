"""The only module that knows ``onnxruntime``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ...errors import ModelError
from ..artifacts.artifact import ModelArtifact
from ..artifacts.onnx_files import onnx_file
from ..profiles.profile import InputSpec
from .input_checks import check_tensor, wrong_input
from .missing_engine import missing_engine
from .onnx_failure import why_not_loaded, without_positions
from .runnable import ONNX_RUNTIME
from .threads import model_threads

_PROVIDERS: Mapping[str, str] = {"cpu": "CPUExecutionProvider", "gpu": "CUDAExecutionProvider"}
_DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
}
_NO_NUMBERS = ("tensor(string)", "tensor(bfloat16)")
_FATAL_ONLY = 4
"""Other errors are exceptions too."""

_log = logging.getLogger(__name__)


def import_onnxruntime() -> Any:
    """Import ``onnxruntime``.

    Raises:
        ModelError: if it is not installed, or lacks a shared library.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_engine(ONNX_RUNTIME, error) from None
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
        self._session = _open_session(ort, onnx_file(artifact.folder), accelerator)
        self.versions: Mapping[str, str] = {ONNX_RUNTIME: str(ort.__version__)}
        self.output_names: tuple[str, ...] = tuple(
            str(one.name) for one in self._session.get_outputs()
        )
        self._dtype = self._checked_input()
        self._check_outputs()
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
        except Exception as error:  # its exceptions have no other base class
            reason = without_positions(str(error))
            raise ModelError(f"model {self._folder}: the run failed: {reason}") from None
        return [_as_usual(output) for output in outputs]

    def warm_up(self) -> list[Any]:
        """Run once on zeros, and return the outputs."""
        return self.run(np.zeros(self._spec.shape, self._spec.dtype))

    def _checked_input(self) -> str:
        """Compare the model's inputs with the profile's; return the dtype that the model takes."""
        inputs = self._session.get_inputs()
        names = [str(one.name) for one in inputs]
        if len(names) > 1:
            raise ModelError(
                f"model {self._folder}: has {len(names)} inputs, {', '.join(names)}: only a model "
                "whose one input is the image can run; export it without the others"
            )
        if names != [self._spec.name]:
            raise self._wrong_input("has the inputs " + (", ".join(names) or "none"))
        dtype = _DTYPES.get(inputs[0].type, str(inputs[0].type))
        if dtype != self._spec.dtype and (dtype, self._spec.dtype) != ("float16", "float32"):
            raise self._wrong_input(f"takes {dtype}")
        if not _fits(inputs[0].shape, self._spec.shape):
            raise self._wrong_input(f"takes {_written(inputs[0].shape)}")
        return dtype

    def _check_outputs(self) -> None:
        """Refuse outputs that NumPy has no arrays for, such as scikit-learn's maps of labels."""
        outputs = self._session.get_outputs()
        if not outputs:
            raise ModelError(f"model {self._folder}: it has no outputs; export it again with them")
        for one in outputs:
            if not str(one.type).startswith("tensor(") or one.type in _NO_NUMBERS:
                raise ModelError(
                    f"model {self._folder}: its output {one.name} is {one.type}, not a tensor that "
                    "NumPy has; export the model without it, or as float32"
                )

    def _wrong_input(self, fact: str) -> ModelError:
        return wrong_input(self._folder, self._spec, fact)


def _open_session(ort: Any, file: Path, accelerator: str) -> Any:
    """Load ``file``, with options that were measured (SSDLite at 300, a network at 640; 2 threads).

    - Threads that wait for work by spinning used 69 ms of processor time a run at one run a second,
      without spinning 23 ms; one run after another 40 and 20 ms, at an equal or longer time a run.
    - The memory arena without a plan for each shape has the lowest peak: 95 MB, with a plan 120 MB,
      without an arena 155 to 185 MB, at an equal time a run.
    - A number of threads that is given explicitly does not bind them to the first cores, as ONNX
      Runtime's own choice does.
    """
    provider = _provider(ort, file.parent, accelerator)
    options = ort.SessionOptions()
    options.intra_op_num_threads = model_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False
    options.log_severity_level = _FATAL_ONLY
    try:
        session = ort.InferenceSession(str(file), options, providers=[provider])
    except Exception as error:  # its exceptions have no other base class
        raise ModelError(
            f"model file {file}: ONNX Runtime {ort.__version__} cannot load it on {accelerator}: "
            + why_not_loaded(error, file)
        ) from None
    if provider not in session.get_providers():
        raise ModelError(
            f"model {file.parent}: ONNX Runtime cannot use {provider}, which needs the CUDA and "
            "cuDNN of its release: install them, or set accelerator=cpu"
        )
    return session


def _provider(ort: Any, folder: Path, accelerator: str) -> str:
    """Return the execution provider for an accelerator, if the installed package has it."""
    available = list(ort.get_available_providers())
    provider = _PROVIDERS.get(accelerator)
    if provider in available and provider is not None:
        return provider
    wanted = f"no {provider}" if provider else f"nothing for {accelerator}"
    raise ModelError(
        f"model {folder}: ONNX Runtime {ort.__version__} has {wanted}, only "
        f"{', '.join(available)}: set accelerator=cpu, or install a package of it for {accelerator}"
    )


def _fits(shape: list[Any], given: tuple[int, ...]) -> bool:
    """Tell whether a model takes a tensor of this shape; a dynamic extent is a name or None."""
    if not shape:  # the model does not say
        return True
    return len(shape) == len(given) and all(
        not isinstance(extent, int) or extent == one for extent, one in zip(shape, given)
    )


def _written(shape: list[Any]) -> str:
    return "[" + ", ".join("?" if one is None else str(one) for one in shape) + "]"


def _as_usual(output: Any) -> Any:
    """Return a float16 output as float32: NumPy calculates slowly with float16."""
    return output.astype(np.float32) if output.dtype == np.float16 else output
