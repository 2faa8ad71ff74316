"""Pictures that lost packets have smeared are counted as failed, and never shown as good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.errors import FrameError
from inference.sources import open_source
from inference.sources.cameras.attempt import EndOfVideo
from inference.sources.cameras.pyav import open_video
from inference.sources.frame import NoFrameError

from .servers import free_port, needs_ffmpeg, require_rtsp_server, rtsp_camera
from .videos import ffmpeg

pytestmark = [pytest.mark.streams, needs_ffmpeg]

PACKET_BYTES = 188  # of a transport stream: ISO/IEC 13818-1, 2.4.3
CODECS = {
    "h264": ["-c:v", "libx264", "-bf", "0"],
    "h264 with reordered pictures": ["-c:v", "libx264", "-bf", "2"],
    "h265": ["-c:v", "libx265", "-x265-params", "log-level=error"],
}


def pictures(path: Path) -> Iterator[Any]:
    """Yield each picture of a video, and None for each that is refused."""
    capture = open_video(str(path))
    try:
        while True:
            try:
                capture.grab()
                yield capture.retrieve().image
            except FrameError:
                yield None
            except EndOfVideo:
                return
    finally:
        capture.close()


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_that_builds_on_lost_packets_is_refused(codec: str, tmp_path: Path) -> None:
    whole, lossy = tmp_path / "whole.ts", tmp_path / "lossy.ts"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"]
    ffmpeg(*source, *CODECS[codec], "-g", 20, "-pix_fmt", "yuv420p", whole)
    true = [picture.tobytes() for picture in pictures(whole)]
    data = whole.read_bytes()
    packets = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
    lossy.write_bytes(b"".join(one for at, one in enumerate(packets) if at < 20 or at % 397))
    got = list(pictures(lossy))
    good = [picture.tobytes() for picture in got if picture is not None]
    assert len(true) == 100
    assert 10 < len(good) < len(got) - 10
    assert set(good) <= set(true)


@pytest.mark.parametrize("codec", ["h264", "h264 with reordered pictures"])
def test_a_stream_without_times_is_sound_again_from_the_next_key_frame(
    codec: str, tmp_path: Path
) -> None:
    path = tmp_path / "whole.h264"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"]
    ffmpeg(*source, *CODECS[codec], "-g", 20, "-pix_fmt", "yuv420p", path)
    true = [picture.tobytes() for picture in pictures(path)]
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 2000 : 7] = bytes(len(range(at, at + 2000, 7)))
    path.write_bytes(data)
    got = list(pictures(path))
    good = [picture.tobytes() for picture in got if picture is not None]
    assert 60 <= len(good) < len(got)
    assert set(good) <= set(true)


def test_packets_that_a_camera_without_tcp_loses_cost_the_pictures_after_them() -> None:
    require_rtsp_server()
    port = free_port()
    with rtsp_camera(port, "udp", "0.005"):
        source = open_source(f"rtsp://127.0.0.1:{port}/test", repeat=True)
        deadline = time.monotonic() + 20
        while not (source.statuses()[0].failed and source.statuses()[0].frames > 20):
            assert time.monotonic() < deadline, source.statuses()
            try:
                source.read()
            except NoFrameError:
                continue
        source.close()
        assert source.statuses()[0].reopened == 0


def test_a_video_whose_pictures_are_all_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "damaged.ts"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1"]
    ffmpeg(*source, *CODECS["h264"], "-pix_fmt", "yuv420p", path)
    data = bytearray(path.read_bytes())
    at = 20 * PACKET_BYTES
    path.write_bytes(data[:at] + data[at + PACKET_BYTES :])
    with pytest.raises(OSError, match="all frames of it are damaged"):
        list(pictures(path))
