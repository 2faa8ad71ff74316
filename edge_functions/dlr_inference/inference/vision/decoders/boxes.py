"""Boxes in every order and unit, as corners in input pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.profiles.outputs import OutputSpec
from ...model.profiles.profile import InputSpec
from ..detections import Array

_BATCHES = ((), (1,), (1, 1))
"""The extents before the last two that a list of boxes may have."""


def corners(boxes: Array, order: str) -> Array:
    """Return boxes [N,4] of this order as xmin, ymin, xmax, ymax, in float32."""
    boxes = boxes.astype(np.float32, copy=False)
    if order == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if order == "xyxy":
        return boxes
    first, size = boxes[:, :2], boxes[:, 2:]
    low = first - size / 2 if order == "cxcywh" else first
    return np.concatenate([low, low + size], axis=1)


def in_pixels(boxes: Array, output: OutputSpec, input_: InputSpec) -> Array:
    """Return corners or points [N,2k] in input pixels, whatever the profile's unit."""
    if output.units == "pixels":
        return boxes
    size = np.array((input_.width, input_.height), np.float32)
    return boxes * np.tile(size, boxes.shape[-1] // 2)


def corners_in_pixels(boxes: Array, output: OutputSpec, input_: InputSpec) -> Array:
    """Return boxes [N,4] in the profile's order and unit as corners in input pixels.

    Rows that nobody uses may hold anything, also what overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return in_pixels(corners(boxes, output.box_order), output, input_)


def upright(boxes: Array, angles: Array) -> Array:
    """Return the upright rectangles around boxes [N,4] turned by ``angles`` [N], in radians."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    cosine, sine = np.abs(np.cos(angles))[:, None], np.abs(np.sin(angles))[:, None]
    half = half * cosine + half[:, ::-1] * sine
    return np.concatenate([centre - half, centre + half], axis=1)


def keypoints(values: Array, points: tuple[int, int], output: OutputSpec, input_: InputSpec) -> Any:
    """Return [N,points,3] of x, y in input pixels and a score, 1 where the model gives none."""
    count, size = points
    table = values.astype(np.float32, copy=False).reshape(-1, count, size)
    found = np.ones((len(table), count, 3), np.float32)
    found[..., :size] = table
    found[..., :2] = in_pixels(found[..., :2], output, input_)
    return found


def table_of(output: Array, columns: int | None = None) -> Array | None:
    """Return an output [N,k], [1,N,k] or [1,1,N,k] as [N,k]; None if it is no such table."""
    if output.ndim < 2 or output.shape[:-2] not in _BATCHES:
        return None
    if columns is not None and output.shape[-1] != columns:
        return None
    return output.reshape(output.shape[-2:])
