"""A model that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass

from .artifacts.artifact import ModelArtifact
from .engines.runnable import RunnableModel
from .profiles.profile import ModelProfile


@dataclass(frozen=True)
class LoadedModel:
    """A model whose outputs are those that its profile says, with its profile and artifact."""

    profile: ModelProfile
    artifact: ModelArtifact
    model: RunnableModel
