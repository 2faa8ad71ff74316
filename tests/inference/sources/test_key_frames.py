"""Key frames alone are decoded while pictures are requested rarely enough, otherwise all."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import FrameError
from inference.sources.cameras import decoding
from inference.sources.cameras.attempt import EndOfVideo
from inference.sources.cameras.decoding import AvCapture
from inference.sources.cameras.demand import Demand
from inference.sources.cameras.key_frames import KeyFrames
from inference.sources.cameras.pyav import open_body, open_video

from .servers import needs_ffmpeg
from .videos import ffmpeg

RATE, DISTANCE = 25, 10


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_distance_is_the_longest_of_the_last_and_grows_while_none_comes() -> None:
    clock = Clock()
    keys = KeyFrames(clock)
    assert keys.distance is None
    for pause, expected in [(0, None), (0.2, None), (2, 2), (1, 2), (1, 2), (1, 1)]:
        clock.now += pause
        keys.note()
        assert keys.distance == (None if expected is None else pytest.approx(expected))
    clock.now += 7
    assert keys.distance == pytest.approx(7)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds whose pictures are all different, some of them in another order in the file."""
    path = tmp_path_factory.mktemp("keys") / "video.mp4"
    source = ["-f", "lavfi", "-i", f"testsrc2=size=160x120:rate={RATE}:duration=10"]
    options = ["-g", DISTANCE, "-keyint_min", DISTANCE, "-sc_threshold", 0, "-bf", 2]
    ffmpeg(*source, "-c:v", "libx264", *options, "-pix_fmt", "yuv420p", path)
    return path


class Body(io.BytesIO):
    """A stream over HTTP, which never ends for its reader."""

    def expect_within(self, seconds: float) -> None:
        return


class Driven:
    """Grabs pictures at their own rate by a clock of its own, as an attempt does."""

    def __init__(self, source: Path | Body) -> None:
        self.clock = Clock()
        self.demand = Demand(self.clock)
        self.capture: AvCapture = (
            open_body(source, self.demand)
            if isinstance(source, Body)
            else open_video(str(source), self.demand)
        )
        self.grabbed = 0

    def request_every(self, seconds: float) -> None:
        self.demand.pause = seconds

    def grab(self) -> float | None:
        self.clock.now += 1 / RATE
        self.grabbed += 1
        self.capture.grab()
        return self.capture.lead_seconds


def all_pictures(path: Path) -> list[Any]:
    capture = open_video(str(path))
    found = []
    try:
        while True:
            capture.grab()
            found.append(capture.retrieve().image)
    except EndOfVideo:
        return found
    finally:
        capture.close()


@pytest.mark.streams
@needs_ffmpeg
def test_key_frames_alone_are_decoded_while_requests_are_rare(video: Path) -> None:
    true = all_pictures(video)
    driven = Driven(video)
    leads = [driven.grab() for _ in range(3 * DISTANCE)]
    assert leads == [0.0] * len(leads)  # nobody knows yet how often they are requested
    driven.request_every(5)
    leads = [driven.grab() for _ in range(5 * DISTANCE)]
    keys = [lead for lead in leads if lead is not None]
    assert len(keys) == 5
    assert keys == pytest.approx([DISTANCE / RATE] * 5)
    while driven.grab() is None:
        continue
    picture = driven.capture.retrieve().image  # at once, though the file reorders its pictures
    assert any(np.array_equal(picture, true[at]) for at in range(0, len(true), DISTANCE))
    driven.capture.close()


@pytest.mark.streams
@needs_ffmpeg
def test_all_are_decoded_again_from_the_next_key_frame_when_requests_become_frequent(
    video: Path,
) -> None:
    true = all_pictures(video)
    driven = Driven(video)
    for _ in range(3 * DISTANCE):
        driven.grab()
    driven.request_every(5)
    for _ in range(DISTANCE // 2):
        driven.grab()
    driven.request_every(0.5)  # key frames come each 0.4 s, so some would be seen twice
    pictures = []
    for _ in range(4 * DISTANCE):
        if driven.grab() is not None:
            pictures.append(driven.capture.retrieve().image)
    assert len(pictures) >= 3 * DISTANCE
    first = next(at for at, one in enumerate(true) if np.array_equal(one, pictures[0]))
    for picture, expected in zip(pictures, true[first:]):
        np.testing.assert_array_equal(picture, expected)
    driven.capture.close()


@pytest.mark.streams
@needs_ffmpeg
def test_damage_after_a_long_time_of_key_frames_alone_costs_pictures_and_not_the_stream(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "FIRST_PICTURE_SECONDS", 0.5)
    path = tmp_path / "video.ts"
    ffmpeg("-i", video, "-c", "copy", path)
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    damaged = b"".join(
        one for at, one in enumerate(packets) if at < len(packets) * 0.4 or at % 5 != 0
    )
    driven = Driven(Body(damaged))
    for _ in range(3 * DISTANCE):
        driven.grab()
    driven.request_every(5)
    for _ in range(11 * DISTANCE):
        driven.grab()
    time.sleep(0.6)
    driven.request_every(0.5)
    refused = 0
    for _ in range(3 * DISTANCE):
        try:
            driven.grab()
        except FrameError:
            refused += 1
    assert refused > DISTANCE
    driven.capture.close()


@pytest.mark.streams
@needs_ffmpeg
def test_every_picture_of_a_file_that_is_read_once_is_decoded(video: Path) -> None:
    assert len(all_pictures(video)) == 10 * RATE
