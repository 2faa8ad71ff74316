"""Checks of a model's input that every engine needs: against the profile, and for each frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import ModelError
from ..profiles.profile import InputSpec


def check_tensor(tensor: Any, spec: InputSpec) -> None:
    """Check a tensor before a run.

    DLR would reuse old data for a wrong shape, and both engines' messages name no profile.

    Raises:
        ValueError: if the tensor has another shape or dtype than the profile says.
    """
    if tensor.shape != spec.shape or tensor.dtype != spec.dtype:
        raise ValueError(
            f"input {spec.name} is {tensor.dtype} {list(tensor.shape)}, "
            f"the model takes {spec.dtype} {list(spec.shape)}"
        )


def wrong_input(folder: Path, spec: InputSpec, fact: str) -> ModelError:
    """Return the error for a model whose input is not the one in its profile."""
    return ModelError(
        f"model {folder}: {fact}, but the profile says input {spec.name} "
        f"{spec.dtype} {list(spec.shape)}; is it the profile of this model?"
    )
