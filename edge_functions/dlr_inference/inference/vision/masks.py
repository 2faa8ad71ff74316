"""Segmentations seen from the source image: how much of it each class covers, and a mask of it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..model.profiles.profile import InputSpec
from .geometry import Fit, Size

UNKNOWN = 255
"""In a mask: a pixel of the source that the model did not see, because the crop left it out."""


def shares(class_map: Any, classes: int, fit: Fit, spec: InputSpec) -> Any:
    """Return the share [classes] of each class in what the model saw of the source image.

    The border that a letterbox adds does not count. ``class_map`` [h,w] covers the whole input.
    """
    columns, rows = (
        _inside(class_map.shape[1 - axis], axis, fit, (spec.width, spec.height)) for axis in (0, 1)
    )
    counts = np.bincount(class_map[rows][:, columns].reshape(-1), minlength=classes)
    total = max(int(counts.sum()), 1)
    return (counts / total).astype(np.float32)


def mask_png(class_map: Any, fit: Fit, spec: InputSpec) -> bytes:
    """Return a greyscale PNG of the source's size: each pixel a class number, or ``UNKNOWN``."""
    size = (spec.width, spec.height)
    columns, rows = (_points(class_map.shape[1 - axis], axis, fit, size) for axis in (0, 1))
    mask = class_map[np.maximum(rows, 0)][:, np.maximum(columns, 0)]
    mask[rows < 0] = UNKNOWN
    mask[:, columns < 0] = UNKNOWN
    encoded, data = cv2.imencode(".png", mask)
    assert encoded
    return bytes(data.tobytes())


def _inside(points: int, axis: int, fit: Fit, size: Size) -> slice:
    """Return which columns (axis 0) or rows of a map have their centre in the source image."""
    places = (np.arange(points) + 0.5) * size[axis] / points
    low, high = fit.to_input((0.0, 0.0, 1.0, 1.0))[axis::2]
    inside = np.flatnonzero((places > low) & (places < high))
    if not len(inside):  # the image is thinner than a point of the map
        middle = int((low + high) / 2 * points / size[axis])
        return slice(middle, middle + 1)
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _points(points: int, axis: int, fit: Fit, size: Size) -> Any:
    """Return the column or row of a map for each one of the source; −1 where there is none."""
    places = (np.arange(fit.source[axis]) + 0.5) / fit.source[axis]
    low, high = fit.to_input((0.0, 0.0, 1.0, 1.0))[axis::2]
    found = np.floor((low + places * (high - low)) * points / size[axis]).astype(np.intp)
    found[(found < 0) | (found >= points)] = -1
    return found
