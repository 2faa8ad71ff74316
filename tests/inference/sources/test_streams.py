"""Real streams: an RTSP server and an MJPEG stream that stop and start, silence, damage, videos."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inference.sources import open_source, opencv
from inference.sources.capture import CaptureSource
from inference.sources.frame import FrameSource
from inference.sources.gstreamer import LaunchedPipeline
from inference.sources.opencv import open_camera, open_stream
from inference.sources.specification import Mode

from .servers import (
    free_port,
    jpeg,
    mjpeg_camera,
    multipart,
    needs_ffmpeg,
    needs_gst_launch,
    next_frame,
    require_frame,
    require_rtsp_server,
    rtsp_camera,
    tcp_server,
    until,
)


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opencv, "OPEN_SECONDS", 0.8)
    monkeypatch.setattr(opencv, "READ_SECONDS", 0.8)


@contextmanager
def opened(text: str, *, repeat: bool = True) -> Iterator[FrameSource]:
    source = open_source(text, repeat=repeat)
    try:
        yield source
    finally:
        started = time.monotonic()
        source.close()
        assert time.monotonic() - started < 2


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "drive.mp4"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i"]
    command += ["testsrc=size=160x120:rate=20:duration=1.5", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def state(source: FrameSource) -> Any:
    return source.statuses()[0]


def test_an_rtsp_camera_comes_back_and_its_password_stays_secret(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    require_rtsp_server()
    caplog.set_level(logging.DEBUG)
    port = free_port()
    url = f"rtsp://viewer:hunter2@127.0.0.1:{port}/test"
    with opened(url) as source:
        until(lambda: state(source).state == "lost", 3)
        with rtsp_camera(port, "viewer", "hunter2"):
            frame = require_frame(source, 15)
            assert frame.image.shape == (240, 320, 3)
            assert frame.source == f"rtsp://***@127.0.0.1:{port}/test"
        until(lambda: state(source).state != "streaming", 10)
        with rtsp_camera(port, "viewer", "hunter2"):
            assert require_frame(source, 15).id > frame.id
        said = caplog.text + str(capfd.readouterr()) + repr(source.statuses())
    assert "lost" in said
    assert "hunter2" not in said


def test_an_rtsp_camera_with_a_wrong_password_is_lost_with_advice() -> None:
    require_rtsp_server()
    port = free_port()
    with (
        rtsp_camera(port, "viewer", "hunter2"),
        opened(f"rtsp://viewer:wrong@127.0.0.1:{port}/test") as source,
    ):
        until(lambda: state(source).state == "lost", 5)
        assert "user or path are wrong" in state(source).reason


@needs_ffmpeg
def test_an_mjpeg_stream_comes_back() -> None:
    port = free_port()
    with opened(f"http://127.0.0.1:{port}/?token=abc") as source:
        for _ in range(2):
            with mjpeg_camera(port):
                frame = require_frame(source, 10)
                assert frame.image.shape == (240, 320, 3)
                assert frame.source.endswith("token=***")
            until(lambda: state(source).state == "lost", 5)
        assert state(source).reopened >= 2


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_accepts_and_says_nothing_is_lost_in_time(scheme: str) -> None:
    connections = threading.Semaphore(0)
    with (
        tcp_server(lambda connection: connections.release()) as port,
        opened(f"{scheme}://127.0.0.1:{port}/") as source,
    ):
        assert connections.acquire(timeout=3)
        until(lambda: state(source).state == "lost", 3)
        assert connections.acquire(timeout=3)  # it is tried again


@needs_ffmpeg
def test_a_camera_that_hangs_does_not_keep_others_from_opening(video: Path) -> None:
    with (
        tcp_server(lambda connection: None) as port,
        opened(f"rtsp://127.0.0.1:{port}/") as silent,
        opened(str(video)) as other,
    ):
        require_frame(other, 2)
        assert state(silent).state == "connecting"


@pytest.mark.usefixtures("short_timeouts")
def test_a_stream_that_falls_silent_is_lost_and_opened_again() -> None:
    release = threading.Event()

    def serve(connection: Any) -> None:
        multipart(connection, [jpeg(100)] * 30)
        release.wait(10)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        require_frame(source)
        until(lambda: state(source).state == "lost", 4)
        assert "no frame came" in state(source).reason
        frames = state(source).frames
        until(lambda: state(source).frames > frames, 6)
        release.set()


@pytest.mark.usefixtures("short_timeouts")
def test_damaged_pictures_in_a_stream_cost_only_themselves() -> None:
    whole, torn = jpeg(200), jpeg(10)[:80] + bytes(200)

    def serve(connection: Any) -> None:
        multipart(connection, [whole, torn, whole, b"garbage", whole] * 20)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        for _ in range(3):
            assert require_frame(source).image.mean() > 150


@pytest.mark.usefixtures("short_timeouts")
def test_a_stream_of_garbage_is_lost_and_never_yields() -> None:
    def serve(connection: Any) -> None:
        multipart(connection, [b"garbage" * 50] * 500)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        until(lambda: state(source).state == "lost", 5)
        assert state(source).frames == 0


@needs_ffmpeg
def test_a_video_is_read_whole_and_as_fast_as_asked(video: Path) -> None:
    with opened(str(video), repeat=False) as source:
        started = time.monotonic()
        frames = 0
        while next_frame(source) is not None:
            frames += 1
        assert frames == 30
        assert time.monotonic() - started < 1.2
        assert state(source).state == "stopped"


@needs_ffmpeg
def test_a_repeating_video_plays_at_its_own_rate_and_begins_again(video: Path) -> None:
    with opened(str(video)) as source:
        require_frame(source)
        first, started = state(source).frames, time.monotonic()
        time.sleep(2)
        rate = (state(source).frames - first) / (time.monotonic() - started)
        assert 14 < rate < 22
        assert state(source).reopened == 0


@needs_gst_launch
def test_a_gstreamer_pipeline_runs_beside_an_opencv_without_gstreamer() -> None:
    pipeline = "videotestsrc pattern=white is-live=true ! video/x-raw,width=322,height=242"
    source = CaptureSource("pipeline", partial(LaunchedPipeline, pipeline))
    frame = require_frame(source)
    assert frame.image.shape == (242, 322, 3)
    assert frame.image.mean() > 250
    started = time.monotonic()
    source.close()
    assert time.monotonic() - started < 2


@needs_gst_launch
@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ("nosuchelement", 'no element "nosuchelement"'),
        ("videotestsrc num-buffers=1", "it ended"),
        ('videotestsrc name="open', "quotes do not close"),
        ("videotestsrc ! video/x-raw,width=321,height=241", "must be even"),
    ],
)
def test_a_pipeline_that_cannot_run_says_why(pipeline: str, reason: str) -> None:
    def run() -> None:
        capture = LaunchedPipeline(pipeline)
        try:
            for _ in range(2):
                capture.read()
        finally:
            capture.close()

    with pytest.raises(OSError, match=reason):
        run()


def test_a_camera_that_is_not_there_is_lost_and_no_fault() -> None:
    with opened("camera:99") as source:
        until(lambda: state(source).state == "lost", 2)
        assert "/dev/video99 does not exist: is the camera plugged in" in state(source).reason


def test_a_device_that_is_no_camera_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    with pytest.raises(OSError, match="is in use, or is no camera"):
        open_camera(str(tmp_path / "video0"), Mode())


def test_a_refused_stream_raises_without_its_address() -> None:
    with pytest.raises(OSError, match="nothing answers there") as error:
        open_stream(f"rtsp://a:hunter2@127.0.0.1:{free_port()}/")
    assert "hunter2" not in str(error.value)
