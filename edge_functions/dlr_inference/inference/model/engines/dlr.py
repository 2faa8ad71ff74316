"""The only module that knows ``dlr``. It refuses what DLR would silently accept."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import types
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ...errors import ModelError
from ...preflight import LIBDLR_MISSING
from ..artifacts.artifact import ModelArtifact
from ..artifacts.digests import is_hidden
from ..profiles.profile import InputSpec
from .child_failure import telling_line
from .input_checks import check_tensor, wrong_input
from .missing_engine import missing_engine
from .runnable import DLR
from .trying import why_it_fails

_log = logging.getLogger(__name__)


def import_dlr() -> Any:
    """Import ``dlr`` with its phone-home switched off and its log of tracebacks silenced.

    Importing ``dlr.counter`` would post device data to an outside host and write a file into
    site-packages. So a module whose decorator does nothing takes its place first.
    """
    counter = types.ModuleType("dlr.counter")
    counter.call_phone_home = lambda function: function  # type: ignore[attr-defined]
    sys.modules.setdefault("dlr.counter", counter)
    logging.getLogger("dlr.neologger_logger").disabled = True
    # TVM binds its threads to the first cores, whatever affinity this process was given: two
    # components would share one core.
    os.environ.setdefault("TVM_BIND_THREADS", "0")
    try:
        import dlr
    except ImportError as error:
        raise missing_engine(DLR, error) from None
    return dlr


def open_model(dlr: Any, folder: Path, accelerator: str) -> Any:
    """Return DLR's model of the artifact in ``folder``.

    DLR takes hidden files, such as macOS's ``._compiled.so``, for files of the model. If there are
    any, it gets a folder of links to the others.
    """
    files = list(folder.iterdir())
    if not any(is_hidden(path.name) and path.is_file() for path in files):
        return dlr.DLRModel(str(folder), accelerator)
    with tempfile.TemporaryDirectory(prefix="model-") as view:
        for path in files:
            if not is_hidden(path.name):
                (Path(view) / path.name).symlink_to(path.resolve())
        return dlr.DLRModel(view, accelerator)


class DlrModel:
    """A model with one input that is loaded into DLR. Several threads may call it."""

    def __init__(self, artifact: ModelArtifact, spec: InputSpec, accelerator: str = "cpu") -> None:
        """Load the model.

        Raises:
            ModelError: if DLR refuses it, or it has other inputs than the profile says.
        """
        self.output_names: tuple[str, ...] = ()
        """DLR does not report them for models of TVM's graph executor."""
        self._spec = spec
        self._artifact = artifact
        self._lock = threading.Lock()
        self._check_shape_of_graph()
        dlr = import_dlr()
        try:
            self._model = open_model(dlr, artifact.folder, accelerator)
        except Exception as error:  # DLR raises bare Exception too
            if type(error).__name__ == "DLRLibraryNotFound":
                raise ModelError(f"model {artifact.folder}: {LIBDLR_MISSING}") from None
            reason = str(error).strip() or why_it_fails(artifact, spec, accelerator)
            raise ModelError(
                f"model {artifact.folder}: DLR cannot load it on {accelerator}: "
                + telling_line(reason)
            ) from None
        self.versions: Mapping[str, str] = {
            "dlr": str(dlr.__version__),
            "libdlr": str(self._model.get_version()),
        }
        self._check_inputs()
        _log.info(
            "model %s, sha256 %s, on %s, DLR %s with libdlr %s",
            artifact.folder,
            artifact.sha256,
            accelerator,
            self.versions["dlr"],
            self.versions["libdlr"],
        )

    def run(self, tensor: Any) -> list[Any]:
        """Run the model on ``tensor`` and return its outputs as new arrays.

        Raises:
            ValueError: if the tensor has another shape or dtype than the profile says; DLR would
                reuse old data or convert it silently.
            ModelError: if the run fails.
        """
        check_tensor(tensor, self._spec)
        with self._lock:
            try:
                outputs: list[Any] = self._model.run({self._spec.name: tensor})
            except Exception as error:  # DLR raises bare Exception too
                raise ModelError(
                    f"model {self._artifact.folder}: the run failed: {telling_line(str(error))}"
                ) from None
        return outputs

    def warm_up(self) -> list[Any]:
        """Run once on zeros, and return the outputs."""
        return self.run(np.zeros(self._spec.shape, self._spec.dtype))

    def _check_shape_of_graph(self) -> None:
        shapes = self._artifact.input_shapes
        if not shapes:
            return
        if set(shapes) != {self._spec.name}:
            raise self._wrong_input("has the inputs " + ", ".join(sorted(shapes)))
        if shapes[self._spec.name] != self._spec.shape:
            raise self._wrong_input(f"takes {list(shapes[self._spec.name])}")

    def _check_inputs(self) -> None:
        """Compare with what DLR reports, also without a graph file; ``run`` does not compare."""
        names = list(self._model.get_input_names())
        if names != [self._spec.name]:
            raise self._wrong_input("has the inputs " + ", ".join(names))
        try:
            dtype = str(self._model.get_input_dtypes()[0])
        except NotImplementedError:
            return
        if dtype != self._spec.dtype:
            raise self._wrong_input(f"takes {dtype}")

    def _wrong_input(self, fact: str) -> ModelError:
        return wrong_input(self._artifact.folder, self._spec, fact)
