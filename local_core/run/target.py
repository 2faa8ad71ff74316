"""One core to deploy and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.model.engines.runnable import ONNX_RUNTIME
from stacks import names
from stacks.context.model_source import onnx_model_at

from ..device.generation import Generation
from ..device.generations import GENERATIONS
from ..device.setup import Certificate


@dataclass(frozen=True)
class Target:
    """What differs from core to core; ``model`` is a folder or a file on this machine.

    ``samples_an_hour`` limits a V2 core's samples; 0 is no limit.
    """

    core_name: str
    model: Path
    profile: str
    image_source: str
    message_format: str
    interval: float
    greengrass_version: int = 2
    preview_seconds: int = 0
    samples_an_hour: int = 0

    @property
    def generation(self) -> Generation:
        """The generation of Greengrass that the core is of."""
        return GENERATIONS[self.greengrass_version]

    @property
    def title(self) -> str:
        """What a person reads for the model: its profile, or if that is a file the core's name."""
        return self.core_name if self.profile.endswith(".json") else self.profile

    @property
    def _is_onnx(self) -> bool:
        try:
            return onnx_model_at(self.model) is not None
        except ValueError:
            return False  # no model at all, which the device names

    def context(self, *, certificate_id: str, model_uri: str) -> dict[str, str]:
        """Return the app's context for this core: what a user gives with ``-c``.

        The app does not see what an archive in S3 holds, so an engine other than DLR is named.
        """
        limit = {"feedbackRateLimit": f"{self.samples_an_hour}"}
        return {
            **(limit if self.greengrass_version == 2 else {}),
            **({"previewInterval": f"{self.preview_seconds}"} if self.preview_seconds else {}),
            **({"modelRuntime": ONNX_RUNTIME} if self._is_onnx else {}),
            "coreName": self.core_name,
            "certificateId": certificate_id,
            "modelS3Uri": model_uri,
            "modelProfile": self.profile,
            "imageSource": self.image_source,
            "inferenceInterval": f"{self.interval:g}",
            "messageFormat": self.message_format,
            "greengrassVersion": str(self.greengrass_version),
        }


@dataclass(frozen=True)
class PreparedCore:
    """What a core needs before it is deployed: its certificate, its folder, the app's context."""

    target: Target
    root: Path
    certificate: Certificate
    context: Mapping[str, str]

    @property
    def stack(self) -> str:
        """The name of the core's stack."""
        return names.stack_name(self.target.core_name)
