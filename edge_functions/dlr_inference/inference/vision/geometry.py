"""How an image is fitted to a model's input, and how a box in the input is mapped back.

Coordinates are continuous: the left edge of an image is 0, its right edge is its width in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Tuple

if TYPE_CHECKING:  # reading settings takes less time without it
    from ..model.profiles.profile import InputSpec

_MAX_ASPECT_RATIO = 16
"""With a larger ratio of the sides, a centre crop cuts the image before scaling it."""

Size = Tuple[int, int]
Box = Tuple[float, float, float, float]

Reduction = Callable[[int, int], int]
"""Returns by how much an image of this width and height may be reduced: 1, 2, 4 or 8."""


@dataclass(frozen=True)
class Fit:
    """How one image is fitted to the input; all pairs are (horizontal, vertical), in pixels.

    Of the ``source`` image, the part of size ``part`` whose corner is at ``part_at`` is scaled to
    ``scaled``; the corner of the result lies at ``offset`` in the input, negative where it is cut.
    """

    source: Size
    part_at: Size
    part: Size
    scaled: Size
    offset: Size

    def to_source(self, box: Box) -> Box:
        """Map xmin, ymin, xmax, ymax from input pixels to fractions of the source, cut to 0..1."""
        x = [self._fraction(value, 0) for value in (box[0], box[2])]
        y = [self._fraction(value, 1) for value in (box[1], box[3])]
        return x[0], y[0], x[1], y[1]

    def to_input(self, box: Box) -> Box:
        """Map xmin, ymin, xmax, ymax from fractions of the source to input pixels, uncut."""
        x = [self._pixel(value, 0) for value in (box[0], box[2])]
        y = [self._pixel(value, 1) for value in (box[1], box[3])]
        return x[0], y[0], x[1], y[1]

    def _fraction(self, value: float, axis: int) -> float:
        in_part = (value - self.offset[axis]) * self.part[axis] / self.scaled[axis]
        return min(max((in_part + self.part_at[axis]) / self.source[axis], 0.0), 1.0)

    def _pixel(self, value: float, axis: int) -> float:
        in_part = value * self.source[axis] - self.part_at[axis]
        return in_part * self.scaled[axis] / self.part[axis] + self.offset[axis]


def fit(spec: InputSpec, width: int, height: int) -> Fit:
    """Return how an image of ``width`` × ``height`` pixels is fitted, by the input's resize rule.

    * ``stretch``: both sides to the input's, the aspect ratio is lost.
    * ``letterbox``: scaled to fit inside, up or down, and placed in the centre or top left; the
      border is filled with the pad colour.
    * ``center-crop``: scaled until the shorter side is ``resize_shorter_side`` (without it, until
      the input is covered), then the centre is cut out.
    """
    source, target = (width, height), (spec.width, spec.height)
    if spec.resize == "stretch":
        return Fit(source, (0, 0), source, target, (0, 0))
    if spec.resize == "letterbox":
        ratio = min(target[0] / width, target[1] / height)
        centred = _centred(source, (0, 0), source, ratio, target)
        return replace(centred, offset=(0, 0)) if spec.letterbox_position == "top-left" else centred
    part = (
        min(width, height * _MAX_ASPECT_RATIO),
        min(height, width * _MAX_ASPECT_RATIO),
    )
    part_at = ((width - part[0]) // 2, (height - part[1]) // 2)
    if spec.resize_shorter_side is not None:
        ratio = spec.resize_shorter_side / min(width, height)
    else:
        ratio = max(target[0] / part[0], target[1] / part[1])
    return _centred(source, part_at, part, ratio, target)


def whole(width: int, height: int) -> int:
    """The reduction that leaves an image as it is."""
    return 1


def reduction(spec: InputSpec, width: int, height: int) -> int:
    """Return by how much an image of ``width`` × ``height`` may be reduced before it is fitted.

    It is 1, 2, 4 or 8: the part of the image that is used stays at least as large as in the input.
    It is 1 for ``decode`` full.
    """
    if spec.decode == "full":
        return 1
    fitted = fit(spec, width, height)
    most = min(part // scaled for part, scaled in zip(fitted.part, fitted.scaled))
    return next(divisor for divisor in (8, 4, 2, 1) if divisor <= max(1, most))


def _centred(source: Size, part_at: Size, part: Size, ratio: float, target: Size) -> Fit:
    scaled = (max(1, round(part[0] * ratio)), max(1, round(part[1] * ratio)))
    offset = tuple((t - s) // 2 if t >= s else -((s - t) // 2) for t, s in zip(target, scaled))
    return Fit(source, part_at, part, scaled, (offset[0], offset[1]))
