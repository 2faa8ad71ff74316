"""The error for an engine that this Python does not have."""

from __future__ import annotations

from ...errors import ModelError
from ...preflight import explain_import_error
from .runnable import NAMES


def missing_engine(runtime: str, error: ImportError) -> ModelError:
    """Return the error for an engine that raised ``error`` at its import.

    A core has the packages of one engine only, that of the model with which it was deployed.
    """
    if isinstance(error, ModuleNotFoundError) and error.name == runtime:
        return ModelError(
            f"this model needs {NAMES[runtime]}, which is not installed: deploy with "
            f"modelRuntime={runtime}"
        )
    return ModelError(f"the engine {NAMES[runtime]} cannot be used: {explain_import_error(error)}")
