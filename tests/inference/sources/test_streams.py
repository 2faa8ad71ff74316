"""Real streams: an RTSP server and an MJPEG stream that stop and start, silence, damage, videos."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import av
import cv2
import numpy as np
import pytest

from inference.sources import open_source
from inference.sources.cameras import attempt, decoding, mjpeg, pyav
from inference.sources.cameras.demand import Demand
from inference.sources.cameras.opencv import open_camera
from inference.sources.cameras.pyav import open_stream
from inference.sources.frame import FrameSource
from inference.sources.specification import Mode, Stream
from tests.waiting import eventually

from .servers import (
    free_port,
    jpeg,
    mjpeg_camera,
    multipart,
    needs_ffmpeg,
    next_frame,
    process,
    require_frame,
    require_rtsp_server,
    rtsp_camera,
    tcp_server,
    tls_in_front_of,
)
from .videos import ffmpeg

pytestmark = pytest.mark.streams


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyav, "OPEN_SECONDS", 0.8)
    monkeypatch.setattr(attempt, "READ_SECONDS", 0.8)
    monkeypatch.setattr(mjpeg, "SLOW_SECONDS", 0.8)


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
        eventually(lambda: state(source).state == "lost", 3)
        with rtsp_camera(port, "basic", "viewer", "hunter2"):
            frame = require_frame(source, 15)
            assert frame.image.shape == (240, 320, 3)
            assert frame.source == f"rtsp://***@127.0.0.1:{port}/test"
        eventually(lambda: state(source).state != "streaming", 10)
        with rtsp_camera(port, "basic", "viewer", "hunter2"):
            assert require_frame(source, 15).id > frame.id
        said = caplog.text + str(capfd.readouterr()) + repr(source.statuses())
    assert "lost" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_an_rtsp_camera_takes_an_escaped_password_and_names_a_wrong_one(scheme: str) -> None:
    require_rtsp_server()
    port = free_port()
    with rtsp_camera(port, scheme, "viewer", 'p@ss/w"ö'):
        with opened(f"rtsp://viewer:p%40ss%2Fw%22%C3%B6@127.0.0.1:{port}/test") as source:
            require_frame(source, 15)
        with opened(f"rtsp://viewer:wrong@127.0.0.1:{port}/test") as source:
            eventually(lambda: state(source).state == "lost", 5)
            assert state(source).reason == (
                "401 Unauthorized: check user and password in imageSource"
            )


def test_rtsp_over_tls_works_with_a_certificate_of_the_cameras_own(tmp_path: Path) -> None:
    require_rtsp_server()
    inner = free_port()
    with rtsp_camera(inner, "digest", "viewer", "hunter2"), tls_in_front_of(
        inner, tmp_path
    ) as port:
        with opened(f"rtsps://viewer:hunter2@127.0.0.1:{port}/test") as source:
            require_frame(source, 15)
        with opened(f"rtsps://viewer:wrong@127.0.0.1:{port}/test") as source:
            eventually(lambda: state(source).state == "lost", 5)
            assert "401 Unauthorized" in state(source).reason


def test_a_stream_that_redirects_takes_no_credentials_to_another_server() -> None:
    asked: list[bytes] = []

    def steal(connection: Any) -> None:
        asked.append(connection.recv(4096))
        challenge = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\n'
        connection.sendall(challenge + b"Content-Length: 0\r\nConnection: close\r\n\r\n")

    with tcp_server(steal) as thief:

        def redirect(connection: Any) -> None:
            connection.recv(4096)
            location = f"HTTP/1.1 302 Moved\r\nLocation: http://localhost:{thief}/\r\n"
            connection.sendall(location.encode() + b"Content-Length: 0\r\n\r\n")

        with tcp_server(redirect) as port, opened(
            f"http://viewer:hunter2@127.0.0.1:{port}/"
        ) as source:
            eventually(lambda: state(source).state == "lost", 5)
    assert asked
    assert b"authorization" not in b"".join(asked).lower()


def test_pictures_that_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "MAX_PIXELS", 64 * 48 - 1)
    with tcp_server(lambda connection: multipart(connection, [jpeg()] * 50)) as port, opened(
        f"http://127.0.0.1:{port}/"
    ) as source:
        eventually(lambda: state(source).state == "lost", 5)
        assert state(source).reason == "its pictures of 64x48 pixels are too large"
        assert state(source).frames == 0


def test_pictures_of_one_pixel_are_pictures() -> None:
    tiny = bytes(cv2.imencode(".jpg", np.full((1, 1, 3), 200, np.uint8))[1])
    with tcp_server(lambda connection: multipart(connection, [tiny] * 50)) as port, opened(
        f"http://127.0.0.1:{port}/"
    ) as source:
        assert require_frame(source).image.shape == (1, 1, 3)


@needs_ffmpeg
def test_an_mjpeg_stream_comes_back() -> None:
    port = free_port()
    with opened(f"http://127.0.0.1:{port}/?token=abc") as source:
        for _ in range(2):
            with mjpeg_camera(port):
                frame = require_frame(source, 10)
                assert frame.image.shape == (240, 320, 3)
                assert frame.source.endswith("token=***")
            eventually(lambda: state(source).state == "lost", 5)
        assert state(source).reopened >= 2


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_accepts_and_says_nothing_is_lost_in_time(scheme: str) -> None:
    connections = threading.Semaphore(0)
    with tcp_server(lambda connection: connections.release()) as port, opened(
        f"{scheme}://127.0.0.1:{port}/"
    ) as source:
        assert connections.acquire(timeout=3)
        eventually(lambda: state(source).state == "lost", 3)
        assert connections.acquire(timeout=3)  # it is tried again


@needs_ffmpeg
def test_a_camera_that_hangs_does_not_keep_others_from_opening(video: Path) -> None:
    with tcp_server(lambda connection: None) as port, opened(
        f"rtsp://127.0.0.1:{port}/"
    ) as silent, opened(str(video)) as other:
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
        eventually(lambda: state(source).state == "lost", 4)
        assert "no frame that can be decoded came" in state(source).reason
        frames = state(source).frames
        eventually(lambda: state(source).frames > frames, 6)
        release.set()


@pytest.mark.usefixtures("short_timeouts")
@needs_ffmpeg
def test_a_transport_stream_that_falls_silent_is_lost_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "part.ts"
    command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i"]
    command += ["testsrc=size=160x120:rate=20:duration=2", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    release = threading.Event()

    def serve(connection: Any) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        connection.sendall(path.read_bytes())
        release.wait(10)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        require_frame(source)
        eventually(lambda: state(source).state == "lost", 4)
        assert state(source).reason == "no frame came for 0.8 s"
        eventually(lambda: state(source).reopened > 0, 4)
        release.set()


@needs_ffmpeg
def test_a_stream_over_udp_that_falls_silent_gives_no_picture_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FFmpeg has the last picture by then, but waits for what shows that it is complete."""
    monkeypatch.setattr(attempt, "READ_SECONDS", 1.6)
    url = f"udp://127.0.0.1:{free_port()}"
    with opened(url) as source:
        pictures = ["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=3"]
        ffmpeg(*pictures, "-c:v", "libx264", "-g", 5, "-bf", 0, "-f", "mpegts", url)
        eventually(lambda: state(source).state == "streaming", 3)
        frames = state(source).frames
        eventually(lambda: state(source).state == "lost", 4)
        assert state(source).reason == "no frame that can be decoded came for 2 s"
        assert state(source).frames == frames


@needs_ffmpeg
@pytest.mark.usefixtures("short_timeouts")
def test_a_playlist_is_not_lost_while_its_next_file_is_recorded(tmp_path: Path) -> None:
    playlist = tmp_path / "live.m3u8"
    command = ["ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i"]
    command += ["testsrc=size=160x120:rate=10", "-f", "lavfi", "-i", "sine", "-g", "10"]
    command += ["-f", "hls", "-hls_time", "2", str(playlist)]
    handler = partial(QuietHandler, directory=str(tmp_path))
    with process(command, playlist.exists), ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        with opened(f"http://127.0.0.1:{web.server_port}/live.m3u8") as source:
            require_frame(source, 5)
            frames = state(source).frames
            eventually(lambda: state(source).frames >= frames + 40, 12)
            assert state(source).reopened == 0
        web.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


class NotingHandler(QuietHandler):
    requested: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requested.append(self.path)
        super().do_GET()


@needs_ffmpeg
@pytest.mark.skipif(not hasattr(av.stream, "Discard"), reason="PyAV reads all of them")
def test_of_several_variants_in_a_playlist_only_the_first_is_fetched(tmp_path: Path) -> None:
    master = "#EXTM3U\n"
    for name, size in (("small", "160x120"), ("large", "320x240")):
        pictures = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate=10:duration=6", "-g", 10]
        pieces = ["-hls_time", 1, "-hls_list_size", 0]
        ffmpeg(*pictures, "-c:v", "libx264", *pieces, tmp_path / f"{name}.m3u8")
        master += f"#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION={size}\n{name}.m3u8\n"
    (tmp_path / "all.m3u8").write_text(master)
    handler = partial(NotingHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        with opened(f"http://127.0.0.1:{web.server_port}/all.m3u8") as source:
            eventually(lambda: state(source).frames >= 60, 10)
        web.shutdown()
    fetched = {path for path in NotingHandler.requested if path.endswith(".ts")}
    assert {f"/small{at}.ts" for at in range(6)} <= fetched
    # FFmpeg looks into each variant before it is chosen.
    assert {path for path in fetched if "large" in path} <= {"/large0.ts", "/large1.ts"}


@needs_ffmpeg
@pytest.mark.usefixtures("short_timeouts")
def test_a_file_that_cannot_be_read_as_it_arrives_leaves_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """FFmpeg reads on after its input has failed."""
    monkeypatch.setattr(decoding, "FIRST_PICTURE_SECONDS", 0.8)
    path = tmp_path / "drive.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120:rate=20:duration=2", path)
    data = path.read_bytes()

    def serve(connection: Any) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")
        for at in range(0, len(data), 200):
            connection.sendall(data[at : at + 200])
            time.sleep(0.05)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        eventually(lambda: state(source).state == "lost", 5)
        assert state(source).reason == "no frame came for 0.8 s"
    assert "Traceback" not in capfd.readouterr().err


STUFFING = b"\x47\x1f\xff\x10" + b"\xff" * 184


@needs_ffmpeg
@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("what", ["sound", "stuffing", "garbage"])
def test_a_stream_that_sends_no_more_pictures_is_lost(what: str, tmp_path: Path) -> None:
    both, sound = tmp_path / "both.ts", tmp_path / "sound.ts"
    pictures = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=20:duration=1"]
    noise = ["-f", "lavfi", "-i", "sine=duration=60", "-c:a", "mp2"]
    ffmpeg(*pictures, *noise, "-t", 1, both)
    ffmpeg(*noise, sound)
    sounds = sound.read_bytes()
    then = {
        "sound": [sounds[at : at + 1880] for at in range(0, len(sounds), 1880)],
        "stuffing": [STUFFING] * 1000,
        "garbage": [b"x" * 188] * 1000,
    }

    def serve(connection: Any) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        connection.sendall(both.read_bytes())
        for piece in then[what]:
            connection.sendall(piece)
            time.sleep(0.05)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        require_frame(source)
        eventually(lambda: state(source).state == "lost", 5)
        assert "no frame" in state(source).reason
        eventually(lambda: state(source).reopened > 0, 3)
        assert state(source).stuck == 0


@pytest.mark.usefixtures("short_timeouts")
def test_damaged_pictures_in_a_stream_cost_only_themselves() -> None:
    whole, torn = jpeg(200), jpeg(10)[:80] + bytes(200)

    def serve(connection: Any) -> None:
        multipart(connection, [whole, torn, whole, b"garbage", whole] * 20)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        for _ in range(3):
            assert require_frame(source).image.mean() > 150


@pytest.mark.usefixtures("short_timeouts")
def test_garbage_for_ever_is_lost_and_never_yields() -> None:
    def serve(connection: Any) -> None:
        while True:
            multipart(connection, [b"\xff\xd8garbage" * 50] * 50, 0.001)

    with tcp_server(serve) as port, opened(f"http://127.0.0.1:{port}/") as source:
        eventually(lambda: state(source).state == "lost", 5)
        assert state(source).frames == 0


@needs_ffmpeg
@pytest.mark.parametrize("kind", ["empty", "garbage", "sound", "cut"])
@pytest.mark.parametrize("repeat", [False, True])
def test_a_file_without_pictures_is_said_to_be_none(
    tmp_path: Path, video: Path, kind: str, repeat: bool
) -> None:
    path = tmp_path / "drive.mp4"
    path.write_bytes({"empty": b"", "cut": video.read_bytes()[:1500]}.get(kind, b"garbage" * 999))
    if kind == "sound":
        command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", "sine=duration=1"]
        subprocess.run([*command, str(path)], check=True, stdin=subprocess.DEVNULL)
    with opened(str(path), repeat=repeat) as source:
        eventually(lambda: state(source).state == ("lost" if repeat else "stopped"), 2)
        assert state(source).reason == "it is not a video"


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


def test_a_camera_that_is_not_there_is_lost_and_no_fault() -> None:
    with opened("camera:99") as source:
        eventually(lambda: state(source).state == "lost", 2)
        assert "/dev/video99 does not exist: is the camera plugged in" in state(source).reason


def test_a_device_that_is_no_camera_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"")
    with pytest.raises(OSError, match="is in use, or is not a camera"):
        open_camera(str(tmp_path / "video0"), Mode())


def test_a_refused_stream_raises_without_its_address() -> None:
    with pytest.raises(OSError, match="cannot be reached: Connection refused") as error:
        open_stream(Stream("camera", f"rtsp://a:hunter2@127.0.0.1:{free_port()}/"), Demand(), 5.0)
    assert "hunter2" not in str(error.value)
