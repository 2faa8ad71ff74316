"""Videos that a phone recorded sideways or mirrored are seen as a player shows them."""

from __future__ import annotations

import gc
import struct
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from inference.sources.cameras.pyav import open_video

from .servers import needs_ffmpeg
from .videos import ffmpeg

pytestmark = [pytest.mark.streams, needs_ffmpeg]

MATRICES = {
    "upright": (1, 0, 0, 1),
    "clockwise": (0, 1, -1, 0),
    "upside down": (-1, 0, 0, -1),
    "anticlockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "flipped": (1, 0, 0, -1),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with sound as its first track."""
    path = tmp_path_factory.mktemp("rotated") / "plain.mp4"
    inputs = ["-f", "lavfi", "-i", "sine=duration=0.3"]
    inputs += ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=0.3"]
    ffmpeg(*inputs, "-map", "0", "-map", "1", "-pix_fmt", "yuv420p", path)
    return path


def with_matrix(plain: Path, matrix: tuple[int, int, int, int]) -> Path:
    data = bytearray(plain.read_bytes())
    at = data.rindex(b"tkhd") + 4 + 40
    a, b, c, d = (one << 16 for one in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = plain.with_name("turned.mp4")
    path.write_bytes(data)
    return path


def first_frame(path: Path) -> Any:
    capture = open_video(str(path))
    try:
        capture.grab()
        return capture.retrieve().image
    finally:
        capture.close()


@pytest.mark.parametrize("name", MATRICES)
def test_a_turned_video_is_seen_as_ffmpeg_shows_it(plain: Path, name: str) -> None:
    video, picture = with_matrix(plain, MATRICES[name]), plain.with_name("picture.png")
    ffmpeg("-i", video, "-frames:v", 1, picture)
    np.testing.assert_array_equal(first_frame(video), cv2.imread(str(picture)))


def test_a_turned_video_in_another_container_is_seen_upright(plain: Path) -> None:
    video = with_matrix(plain, MATRICES["clockwise"])
    matroska, picture = plain.with_name("turned.mkv"), plain.with_name("picture.png")
    ffmpeg("-i", video, "-c", "copy", matroska)
    ffmpeg("-i", matroska, "-frames:v", 1, picture)
    np.testing.assert_array_equal(first_frame(matroska), cv2.imread(str(picture)))


def test_no_picture_waits_for_the_garbage_to_be_collected(plain: Path) -> None:
    """A few large pictures fill the memory before they cause a collection."""
    video = with_matrix(plain, MATRICES["mirrored"])
    gc.collect()
    gc.disable()
    try:
        first_frame(video)
        kept = [one for one in gc.get_objects() if type(one) is av.VideoFrame]
        assert [one.width for one in kept if one.width > 16] == []
    finally:
        gc.enable()
