"""The interface of a model that a pipeline can run."""

from __future__ import annotations

from typing import Any, Protocol


class RunnableModel(Protocol):
    """A model in this process, or a service that runs one; ``versions`` names its libraries."""

    versions: dict[str, str]

    def run(self, tensor: Any) -> list[Any]:
        """Return the outputs for ``tensor``, which the preprocess stage returned.

        Raises:
            FrameError: if this frame failed, but the next one may not.
            ModelError: if the model cannot be used.
        """
