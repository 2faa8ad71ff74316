"""Where the time of a frame goes, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_COLOURS = {
    "capture": "#4c78a8",
    "preprocess": "#72b7b2",
    "inference": "#bab0ac",
    "postprocess": "#e45756",
    "message": "#f2a900",
}
_NAMES = {"capture": "read and decode", "inference": "model"}
_WIDTH, _LEFT, _RIGHT, _BAR, _STEP, _TOP = 1000, 300, 110, 30, 58, 60


def stages(bars: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw one bar per model from its milliseconds by stage, and write a PNG."""
    font = ImageFont.load_default(16)
    image = Image.new("RGB", (_WIDTH, _TOP + _STEP * len(bars) + 10), "white")
    draw = ImageDraw.Draw(image)
    _legend(draw, font)
    longest = max(sum(bar.values()) for bar in bars.values())
    for row, (name, bar) in enumerate(bars.items()):
        top, left = _TOP + row * _STEP, float(_LEFT)
        draw.text((_LEFT - 12, top + _BAR / 2), name, "black", font, anchor="rm")
        for stage, milliseconds in bar.items():
            width = milliseconds / longest * (_WIDTH - _LEFT - _RIGHT)
            draw.rectangle((left, top, left + width, top + _BAR), _COLOURS[stage])
            if width > 50:
                middle = (left + width / 2, top + _BAR / 2)
                draw.text(middle, f"{milliseconds:.1f}", "black", font, anchor="mm")
            left += width
        total = f"{sum(bar.values()):.1f} ms"
        draw.text((left + 10, top + _BAR / 2), total, "black", font, anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _legend(draw: ImageDraw.ImageDraw, font: _Font) -> None:
    left = 12.0
    for stage, colour in _COLOURS.items():
        draw.rectangle((left, 18, left + 16, 34), colour)
        name = _NAMES.get(stage, stage)
        draw.text((left + 24, 26), name, "black", font, anchor="lm")
        left += 24 + draw.textlength(name, font) + 28
