"""Colours of videos are right, whichever matrix and range they were coded by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.sources.cameras.pyav import open_video

from .servers import needs_ffmpeg
from .videos import ffmpeg

pytestmark = [pytest.mark.streams, needs_ffmpeg]


@pytest.mark.parametrize("limits", ["tv", "pc"])
@pytest.mark.parametrize(
    ("matrix", "told"),
    [("bt709", "bt709"), ("bt601", "smpte170m"), ("smpte240m", "smpte240m"), ("bt601", None)],
)
def test_colours_are_those_that_the_camera_saw(
    tmp_path: Path, matrix: str, told: str | None, limits: str
) -> None:
    path = tmp_path / "one.mp4"
    scaled = f"scale=out_color_matrix={matrix}:out_range={limits},format=yuv420p"
    tags = ["-color_range", limits, *(["-colorspace", told] if told else [])]
    colour = "color=c=0xEB3C0C:size=1280x720:rate=5:duration=0.4,format=rgb24"
    ffmpeg("-f", "lavfi", "-i", colour, "-vf", scaled, *tags, "-c:v", "libx264", path)
    capture = open_video(str(path))
    try:
        capture.grab()
        found = np.asarray(capture.retrieve().image).mean(axis=(0, 1))
    finally:
        capture.close()
    assert found == pytest.approx([0x0C, 0x3C, 0xEB], abs=3)
