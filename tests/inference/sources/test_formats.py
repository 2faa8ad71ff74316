"""Codecs and protocols of streams and videos, each made and sent by Debian's FFmpeg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.sources import open_source

from .servers import free_port, needs_ffmpeg, next_frame, process, require_frame, tcp_server
from .videos import ffmpeg

pytestmark = [pytest.mark.streams, needs_ffmpeg]

PICTURES = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=1"]
CODECS = {
    "H.264": ["-c:v", "libx264"],
    "H.265": ["-c:v", "libx265", "-x265-params", "log-level=error"],
    "AV1": ["-c:v", "libaom-av1", "-cpu-used", "8"],
    "VP9": ["-c:v", "libvpx-vp9"],
    "MJPEG": ["-c:v", "mjpeg"],
}


@pytest.mark.parametrize("codec", CODECS)
def test_a_video_is_read_whole_whatever_its_codec(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "drive.mkv"
    ffmpeg(*PICTURES, *CODECS[codec], "-pix_fmt", "yuv420p", path)
    source = open_source(str(path), repeat=False)
    frames = 0
    while (frame := next_frame(source)) is not None:
        frames += 1
        assert frame.image.shape == (120, 160, 3)
    source.close()
    assert frames == 10


def test_the_cover_of_a_piece_of_music_is_no_video(tmp_path: Path) -> None:
    cover, music = tmp_path / "cover.jpg", tmp_path / "music.mp4"
    ffmpeg(*PICTURES, "-frames:v", 1, cover)
    sound = ["-f", "lavfi", "-i", "sine=duration=0.5"]
    ffmpeg(
        *sound,
        "-i",
        cover,
        "-map",
        0,
        "-map",
        1,
        "-c:v",
        "mjpeg",
        "-disposition:v:0",
        "attached_pic",
        music,
    )
    source = open_source(str(music), repeat=False)
    assert next_frame(source) is None
    assert source.statuses()[0].reason == "it is not a video"
    source.close()


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
@pytest.mark.parametrize("way", ["file", "file over HTTP", "stream over HTTP"])
def test_a_title_in_another_encoding_does_not_matter(tmp_path: Path, way: str, suffix: str) -> None:
    """As cameras and recorders write the name of a place, in Latin-1 or GBK."""
    path = tmp_path / f"drive{suffix}"
    title = "title=Tor A"
    ffmpeg(*PICTURES, *CODECS["H.264"], "-pix_fmt", "yuv420p", "-metadata", title, path)
    data = path.read_bytes()
    assert b"Tor A" in data
    path.write_bytes(data.replace(b"Tor A", b"T\xfcr A"))

    def serve(connection: Any) -> None:
        connection.recv(4096)
        length = f"Content-Length: {len(data)}\r\n" if way == "file over HTTP" else ""
        connection.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode() + path.read_bytes())

    with tcp_server(serve) as port:
        source = open_source(
            str(path) if way == "file" else f"http://127.0.0.1:{port}/", repeat=True
        )
        assert require_frame(source, 5).image.shape == (120, 160, 3)
        source.close()


LIVE = ["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-c:v", "libx264"]
LIVE += ["-g", "5", "-bf", "0", "-pix_fmt", "yuv420p"]


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("udp://127.0.0.1:{}", ["-f", "mpegts"]),
        ("rtmp://127.0.0.1:{}/live/camera", ["-f", "flv", "-listen", "1"]),
        ("http://127.0.0.1:{}/camera.ts", ["-f", "mpegts", "-listen", "1"]),
    ],
)
def test_a_stream_is_received(address: str, options: list[str]) -> None:
    url = address.format(free_port())
    command = ["ffmpeg", "-loglevel", "error", *LIVE, *options, url]
    source = open_source(url, repeat=True)
    with process(command, lambda: True):
        assert require_frame(source, 20).image.shape == (120, 160, 3)
        source.close()
