"""Loads a model and runs it once on zeros, in a process that may die without harm.

Usage: ``python -m inference.model.engines.trial RUNTIME FOLDER ACCELERATOR INPUT``, with the
profile's input as JSON. A fault that the engine's module explains is printed, with the status
``EXPLAINED``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ...errors import ModelError
from ..artifacts.artifact import ModelArtifact
from ..profiles.profile import InputSpec
from .runnable import DLR
from .trying import EXPLAINED


def main(arguments: list[str]) -> int:
    """Try the model that ``arguments`` name; a failure raises, or ends the process."""
    runtime, folder, accelerator, given = arguments
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in json.loads(given).items()
    }
    spec = InputSpec(**values)
    if runtime == DLR:
        _try_dlr(Path(folder), spec, accelerator)
        return 0
    from .onnx_runtime import OnnxRuntimeModel

    artifact = ModelArtifact(Path(folder), sha256="", runtime=runtime)
    try:
        OnnxRuntimeModel(artifact, spec, accelerator).warm_up()
    except ModelError as error:
        print(error, file=sys.stderr)
        return EXPLAINED
    return 0


def _try_dlr(folder: Path, spec: InputSpec, accelerator: str) -> None:
    """Use DLR directly: our class for it starts a trial to find the reason of a failure."""
    import numpy as np

    from .dlr import import_dlr, open_model

    model = open_model(import_dlr(), folder, accelerator)
    model.run({spec.name: np.zeros(spec.shape, spec.dtype)})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
