"""AWS's Image Classification connector as the model of a pipeline.

The connector takes an image file, fits it to the model's input itself, and returns probabilities.
So a frame passes through the pipeline as the file that it was read from.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List

import numpy as np

from ..errors import FrameError
from ..model.artifacts.artifact import ModelArtifact
from ..model.loaded import LoadedModel
from ..model.profiles.outputs import OutputSpec
from ..model.profiles.profile import ModelProfile
from ..outgoing.telemetry import HealthFault
from ..sources import Frame, FrameSource
from ..sources.status import SourceStatus
from ..vision.geometry import Fit, fit
from ..vision.images import encode_jpeg

Predict = Callable[[bytes, str], List[float]]
"""Returns the probabilities for an image of that content type; raises ``OSError`` if it fails."""

_AFTER_FAILURE_SECONDS = 0.5
"""Pause after a failure: a connector that is not ready refuses requests at once."""

_CONTENT_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
"""What the connector accepts, by the first bytes of a file."""


class InferenceService:
    """The connector, called for each frame; a failure costs that frame and is reported.

    It has the interface of a loaded model, but its input is the bytes of an image.
    """

    def __init__(self, predict: Predict) -> None:
        self.versions: dict[str, str] = {}
        self.output_names: tuple[str, ...] = ()
        self._predict = predict
        self._fault: str | None = None

    def run(self, tensor: Any) -> list[Any]:
        """Return the probabilities for an image file as the output of a classifier, [1,K].

        Raises:
            FrameError: if the connector does not answer with probabilities.
        """
        try:
            probabilities = self._predict(tensor, content_type(tensor) or "")
        except OSError as error:
            self._fault = str(error)
            time.sleep(_AFTER_FAILURE_SECONDS)
            raise FrameError(str(error)) from None
        self._fault = None
        return [np.array([probabilities], np.float32)]

    def faults(self) -> list[HealthFault]:
        """Return the failure of the last frame, if it failed."""
        fault = self._fault
        return [] if fault is None else [HealthFault("no model", fault)]


class FrameFiles(FrameSource):
    """A source that also remembers the frame it read last, whose file the connector gets."""

    def __init__(self, source: FrameSource, profile: ModelProfile) -> None:
        self._source = source
        self._spec = profile.input
        self._frame: Frame | None = None

    def read(self) -> Frame | None:
        """Return the next frame, as its source does."""
        self._frame = self._source.read()
        return self._frame

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source behind this one."""
        return self._source.statuses()

    def close(self) -> None:
        """Release what the source holds."""
        self._source.close()

    def preprocess(self, image: Any, size: tuple[int, int]) -> tuple[bytes, Fit]:
        """Return the file of the frame with this ``image``: its own if it is a JPEG or a PNG.

        ``size`` is the width and height of the frame's source.

        Raises:
            FrameError: if the image cannot be encoded.
        """
        frame = self._frame
        own = frame.data if frame is not None and frame.image is image else None
        if own is None or content_type(own) is None:
            own = encode_jpeg(image, frame.source if frame is not None else "frame")
        return own, fit(self._spec, *size)


def content_type(data: bytes) -> str | None:
    """Return the MIME type of an image that the connector accepts, None for any other."""
    return next((kind for start, kind in _CONTENT_TYPES.items() if data.startswith(start)), None)


def model_of_service(service: InferenceService, profile: ModelProfile) -> LoadedModel:
    """Return the connector as a loaded model.

    It returns probabilities, whatever the compiled model of the ``profile`` does. The function has
    no file of its model, which belongs to the connector: so it has no digest.
    """
    return LoadedModel(
        replace(profile, output=OutputSpec("classification", "probabilities")),
        ModelArtifact(Path(), "", {}, has_digests=False),
        service,
    )
