"""What a model found in a frame, before anything is chosen for publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

Array = Any
"""A ``numpy.ndarray``."""

Outputs = Sequence[Any]
"""The ``numpy.ndarray`` objects that a model returned, in its order."""


@dataclass(frozen=True)
class Detections:
    """All that a model found in a frame, as parallel arrays, best first.

    ``boxes`` [N,4] are xmin, ymin, xmax, ymax in input pixels, and ``keypoints`` [N,points,3] are
    x, y in input pixels and a score. Without boxes the scores are a classifier's, of one choice
    among its classes if ``exclusive``. ``class_map`` [h,w] is a segmentation of the whole input.
    """

    class_ids: Array
    scores: Array
    boxes: Array | None = None
    keypoints: Array | None = None
    class_map: Array | None = None
    exclusive: bool = True
