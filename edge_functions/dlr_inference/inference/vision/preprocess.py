"""Converts a frame to the tensor that a model takes, by its profile."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..errors import FrameError
from ..model.profiles.profile import InputSpec
from . import geometry
from .geometry import Fit

Image = Any
"""A ``numpy.ndarray`` of uint8, shape (height, width, 3), blue-green-red as OpenCV has it."""

Tensor = Any
"""A ``numpy.ndarray`` of the profile's shape and dtype."""

_INTERPOLATION = {
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}


class Preprocessor:
    """Fits, recolours and normalises frames into a tensor, which the next call overwrites.

    Normalising is a lookup in one table of 256 values per channel, for all pixels at once. It is
    exact, and cheaper than float arithmetic.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._interpolation = _INTERPOLATION[spec.interpolation]
        self._tensor = np.zeros(spec.shape, spec.dtype)
        self._other: Tensor | None = None
        self._planar = spec.layout == "NCHW"
        self._tables = self._lookup_tables()
        self._canvas = np.empty((spec.height, spec.width, spec.channels), np.uint8)
        self._planes = [np.empty((spec.height, spec.width), np.uint8) for _ in range(spec.channels)]

    def __call__(
        self, image: Image, size: tuple[int, int] | None = None, *, keep_last: bool = False
    ) -> tuple[Tensor, Fit]:
        """Return the tensor for ``image``, valid until the next call, and how it was fitted.

        ``size`` is the source's width and height if ``image`` was decoded at a fraction of it.
        With ``keep_last``, the tensor of the last call stays valid for one more.

        Raises:
            FrameError: if OpenCV cannot fit the image, for example without enough memory.
        """
        width, height = size or (image.shape[1], image.shape[0])
        fit = geometry.fit(self._spec, width, height)
        try:
            if keep_last:
                last, other = self._tensor, self._other
                self._tensor = np.zeros_like(last) if other is None else other
                self._other = last
            fitted = self._fit(image, fit)
            if self._planar:
                self._fill_planes(fitted)
            else:
                self._fill_pixels(fitted)
        except (cv2.error, MemoryError) as error:
            raise FrameError(f"an image of {width}×{height} cannot be fitted: {error}") from None
        return self._tensor, fit

    def _lookup_tables(self) -> list[Any]:
        spec = self._spec
        pixels = np.arange(256, dtype=np.float64)
        tables = [(pixels * spec.scale - mean) / std for mean, std in zip(spec.mean, spec.std)]
        if spec.dtype == "uint8":
            tables = [np.clip(np.rint(table), 0, 255) for table in tables]
        return [table.astype(spec.dtype) for table in tables]

    def _fit(self, image: Image, fit: Fit) -> Image:
        """Return the image at the input's size, in the colour order of the profile's last axis."""
        if self._spec.channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if fit.part != fit.source:
            image = _part(image, fit)
        scaled = image
        if (image.shape[1], image.shape[0]) != fit.scaled:
            scaled = cv2.resize(image, fit.scaled, interpolation=self._interpolation)
        if scaled.ndim == 2:
            scaled = scaled[:, :, np.newaxis]
        size = (self._spec.width, self._spec.height)
        if fit.scaled == size:
            return scaled
        return self._place(scaled, fit)

    def _place(self, scaled: Image, fit: Fit) -> Image:
        """Cut ``scaled`` to the input, or lay it on a canvas of the pad colour, axis by axis."""
        width, height = self._spec.width, self._spec.height
        cut_x, cut_y = max(0, -fit.offset[0]), max(0, -fit.offset[1])
        cut = scaled[cut_y : cut_y + height, cut_x : cut_x + width]
        if cut.shape[:2] == (height, width):
            return cut
        self._canvas[:] = self._spec.pad_color[::-1]
        x, y = max(0, fit.offset[0]), max(0, fit.offset[1])
        self._canvas[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
        return self._canvas

    def _fill_planes(self, fitted: Image) -> None:
        planes = cv2.split(fitted, self._planes)
        if self._spec.color_order == "RGB":
            planes = planes[::-1]
        for channel, (plane, table) in enumerate(zip(planes, self._tables)):
            cv2.LUT(plane, table, self._tensor[0, channel])

    def _fill_pixels(self, fitted: Image) -> None:
        order = slice(None, None, -1) if self._spec.color_order == "RGB" else slice(None)
        for channel, table in enumerate(self._tables):
            self._tensor[0, :, :, channel] = table[fitted[:, :, order][:, :, channel]]


def _part(image: Image, fit: Fit) -> Image:
    """Return the part of the source that is used, from an image that may be smaller than it."""
    scales = image.shape[1] / fit.source[0], image.shape[0] / fit.source[1]
    x, y = (round(at * scale) for at, scale in zip(fit.part_at, scales))
    w, h = (max(1, round(side * scale)) for side, scale in zip(fit.part, scales))
    return image[y : y + h, x : x + w]
