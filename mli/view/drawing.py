"""Predictions painted on images: boxes, labels, scores and keypoints."""

from __future__ import annotations

import functools
import io
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from local_core.output.terminal import shown_line

Rectangle = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax."""

LABEL_CHARACTERS = 40
KEYPOINT_SCORE = 0.3
"""Keypoints below this score are guesses of where something hidden would be, and are not drawn."""
JPEG_QUALITY = 90

_FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
_COLOURS = ("#ffd400", "#00e5ff", "#ff8cf5", "#7dff6b", "#ff9d5c", "#b9a7ff", "#ffffff", "#ff7b7b")
"""Bright enough for black text: contrast with it is 7:1 or better."""
_TILE = (480, 320)
_GAP = 12
_CAPTION_SIZE = 15
_LINE = 20
_LABEL_MARGIN = 6
_MOVES = (0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4)
"""Where else a label of a box may be, in halves of its height."""


@dataclass(frozen=True)
class Mark:
    """A prediction to paint; box and keypoints are in fractions of the image."""

    label: str
    score: float
    box: Rectangle | None = None
    keypoints: Sequence[tuple[float, float, float]] = ()

    @property
    def text(self) -> str:
        """Label and score; characters that are not printable are escaped, long labels shortened."""
        return f"{shown_line(self.label, LABEL_CHARACTERS)} {self.score:.2f}"

    @property
    def colour(self) -> str:
        """The colour of the label, the same in every picture."""
        return _COLOURS[zlib.crc32(self.label.encode(errors="backslashreplace")) % len(_COLOURS)]


def annotated(image: Image.Image, marks: Sequence[Mark]) -> Image.Image:
    """Return a copy of ``image`` with ``marks`` painted on it.

    Large boxes are painted before the small ones that they contain, and all labels last, so that no
    line crosses a text. A mark without a box is a line in the upper left corner.
    """
    painted = image.convert("RGB")  # always a copy
    if painted is image:
        painted = image.copy()
    draw = ImageDraw.Draw(painted)
    shorter = min(painted.size)
    line = max(2, round(shorter / 130))
    boxed = sorted(
        ((_pixels(mark.box, painted.size), mark) for mark in marks if mark.box is not None),
        key=lambda pair: -_area(pair[0]),
    )
    for rectangle, mark in boxed:
        draw.rectangle(rectangle, outline="black", width=line + 1)  # seen on any background
        draw.rectangle(rectangle, outline=mark.colour, width=line)
    for mark in marks:
        for x, y in _points(mark, painted.size):
            around = (x - line, y - line, x + line, y + line)
            draw.ellipse(around, fill=mark.colour, outline="black")
    labels = _Labels(draw, painted.size, _font(max(11, round(shorter / 25))))
    for rectangle, mark in sorted(boxed, key=lambda pair: -pair[1].score):
        labels.add(rectangle[0] + line, rectangle[1] + line, mark)
    for mark in marks:
        if mark.box is None:
            labels.add(line, line, mark)
    return painted


class _Labels:
    """Writes labels into an image, the best first.

    One that would cover another moves, but stays near its box, and is left out if there is no room.
    """

    def __init__(
        self, draw: ImageDraw.ImageDraw, size: tuple[int, int], font: ImageFont.FreeTypeFont
    ) -> None:
        self._draw = draw
        self._size = size
        self._font = font
        self._height = sum(font.getmetrics()) + 2
        self._taken: list[Rectangle] = []

    def add(self, left: float, top: float, mark: Mark) -> None:
        text = self._fitting(mark.text)
        width = math.ceil(self._font.getlength(text)) + _LABEL_MARGIN
        left = max(0.0, min(left, self._size[0] - width))
        top = max(0.0, min(top, self._size[1] - self._height))
        lines = self._size[1] // self._height
        place = self._free(left, top, width, _MOVES if mark.box else range(2 * lines + 1))
        if place is not None:
            self._taken.append(place)
            self._draw.rectangle(place, fill=mark.colour)
            self._draw.text((place[0] + 3, place[1] + 1), text, fill="black", font=self._font)

    def _free(
        self, left: float, top: float, width: float, moves: Iterable[int]
    ) -> Rectangle | None:
        lowest = max(0, self._size[1] - self._height)
        for move in moves:
            moved = top + move * self._height / 2
            place = (left, moved, left + width, moved + self._height)
            if 0 <= moved <= lowest and not any(_overlap(place, one) for one in self._taken):
                return place
        return None

    def _fitting(self, text: str) -> str:
        """Return a text, shortened to the width of the image; the score is its last word."""
        label, _, score = text.rpartition(" ")
        while label and self._font.getlength(text) > self._size[0] - _LABEL_MARGIN:
            label = label[:-1].rstrip()
            text = f"{label}… {score}"
        return text


def contact_sheet(pictures: Sequence[tuple[str, Image.Image]], columns: int = 2) -> Image.Image:
    """Return all ``pictures``, each with the lines of its caption below, on one image."""
    font = _font(_CAPTION_SIZE)
    lines = max((caption.count("\n") for caption, _ in pictures), default=0)
    below = 2 * _CAPTION_SIZE + lines * _LINE
    width, height = _TILE[0] + _GAP, _TILE[1] + below + _GAP
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "#1b1f24")
    draw = ImageDraw.Draw(sheet)
    for number, (caption, picture) in enumerate(pictures):
        row, column = divmod(number, columns)
        left, top = _GAP + column * width, _GAP + row * height
        tile = ImageOps.contain(picture, _TILE)
        middle = ((_TILE[0] - tile.width) // 2, (_TILE[1] - tile.height) // 2)
        sheet.paste(tile, (left + middle[0], top + middle[1]))
        for number_of_line, line in enumerate(caption.split("\n")):
            place = (left, top + _TILE[1] + 5 + number_of_line * _LINE)
            draw.text(place, shown_line(line, 60), fill="white", font=font)
    return sheet


def jpeg(image: Image.Image) -> bytes:
    """Return ``image`` as a JPEG file."""
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)


def _pixels(box: Rectangle, size: tuple[int, int]) -> Rectangle:
    """Return ``box`` in pixels, inside the image, with its corners in order."""
    xs = sorted(_within(x, size[0]) for x in (box[0], box[2]))
    ys = sorted(_within(y, size[1]) for y in (box[1], box[3]))
    return (xs[0], ys[0], xs[1], ys[1])


def _within(fraction: float, length: int) -> float:
    return max(0.0, min(length - 1.0, fraction * length))


def _points(mark: Mark, size: tuple[int, int]) -> Iterator[tuple[float, float]]:
    for x, y, score in mark.keypoints:
        if score >= KEYPOINT_SCORE:
            yield _within(x, size[0]), _within(y, size[1])


def _area(box: Rectangle) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
