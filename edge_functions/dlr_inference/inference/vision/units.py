"""Notices boxes in another unit than the profile says, which would otherwise silently vanish."""

from __future__ import annotations

import logging
from typing import Any

from ..model.profiles.profile import InputSpec, ModelProfile

_FRAMES = 3
"""This many frames with detections in a row are no accident."""

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
    are_tiny = are_outside = True
    for x1, y1, x2, y2 in (box.tolist() for box in boxes):
        are_tiny = are_tiny and abs(x2 - x1) < 1 and abs(y2 - y1) < 1
        farthest = max(abs(x1), abs(x2)) / spec.width, max(abs(y1), abs(y2)) / spec.height
        are_outside = are_outside and max(farthest) > 2
        if not (are_tiny or are_outside):
            return None  # mostly at the first box
    return "smaller than a pixel" if are_tiny else "far outside the image"
