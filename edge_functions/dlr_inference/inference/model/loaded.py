"""A model that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .artifact import ModelArtifact
from .profile import ModelProfile
from .runnable import RunnableModel


@dataclass(frozen=True)
class LoadedModel:
    """A warm model with its profile and artifact, and the outputs of its first run, on zeros."""

    profile: ModelProfile
    artifact: ModelArtifact
    model: RunnableModel
    first_outputs: list[Any]
