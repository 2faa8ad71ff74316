"""Notices boxes in another unit than the profile says, which would otherwise silently vanish."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from ..model.profiles.profile import InputSpec, ModelProfile

_FRAMES = 3
"""So many frames with detections in a row are no accident."""

_log = logging.getLogger(__name__)


class BoxUnits:
    """Looks at the boxes of each frame; ``fault`` says what is wrong with all of them, and why."""

    def __init__(self, profile: ModelProfile) -> None:
        self.fault: str | None = None
        self._profile = profile
        self._strange = 0

    def look(self, boxes: Any) -> None:
        """Look at the boxes [N,4] of a frame, in input pixels; no boxes say nothing."""
        if not len(boxes):
            return
        fact = strangeness(boxes, self._profile.input)
        if fact is None:
            self._strange, self.fault = 0, None
            return
        self._strange += 1
        if self._strange < _FRAMES or self.fault is not None:
            return
        units = self._profile.output.units
        other = "pixels" if units == "fractions" else "fractions"
        self.fault = (
            f"profile {self._profile.name}: all boxes are {fact} in {units}; "
            f"set output.units to {other}, or output.kind to that of the model"
        )
        _log.warning("%s", self.fault)


def strangeness(boxes: Any, spec: InputSpec) -> str | None:
    """Return what all of some boxes [N,4] in pixels of the input are that a box never is."""
    corners = boxes.reshape(-1, 2, 2)
    if (np.abs(corners[:, 1] - corners[:, 0]).max(axis=1) < 1).all():
        return "smaller than a pixel"
    sides = np.array((spec.width, spec.height))
    if (np.abs(corners).max(axis=1) > 2 * sides).any(axis=1).all():
        return "far outside the image"
    return None
