"""A model that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .artifact import ModelArtifact
from .profile import ModelProfile

if TYPE_CHECKING:
    from .dlr import DlrModel


@dataclass(frozen=True)
class LoadedModel:
    """A warm model with its profile and artifact, and the outputs of its first run, on zeros."""

    profile: ModelProfile
    artifact: ModelArtifact
    model: DlrModel
    first_outputs: list[Any]
