"""What ``imageSource`` may be, and how what it may not be is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge_functions import CODE_FOLDER
from inference.schema import ConfigurationError
from inference.sources import parse_image_source, parse_sources
from inference.sources.specification import (
    CsiCamera,
    Files,
    GStreamerPipeline,
    Mode,
    MovingPattern,
    Snapshot,
    Specification,
    Stream,
    UsbCamera,
    Video,
)
from inference.sources.tls import VERIFIED, Tls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("static", Files("static", "static")),
        ("/var/images", Files("/var/images", "/var/images")),
        ("/var/**/*.jpg", Files("/var/**/*.jpg", "/var/**/*.jpg")),
        ("watch:/var/in", Files("watch:/var/in", "/var/in", watch=True)),
        ("/data/drive.MP4", Video("/data/drive.MP4", "/data/drive.MP4")),
        ("camera:0", UsbCamera("camera:0", "/dev/video0", Mode())),
        ("camera:2:80x60@15", UsbCamera("camera:2:80x60@15", "/dev/video2", Mode(80, 60, 15))),
        ("/dev/v4l/by-id/usb", UsbCamera("/dev/v4l/by-id/usb", "/dev/v4l/by-id/usb", Mode())),
        ("csi:1:640x480", CsiCamera("csi:1:640x480", 1, Mode(640, 480))),
        ("rtsp://u:p@c:554/s?key=1", Stream("rtsp://***@c:554/s?key=***", "rtsp://u:p@c:554/s?key=1")),
        ("rtsp://u:p@[fe80::1]:554/s", Stream("rtsp://***@[fe80::1]:554/s", "rtsp://u:p@[fe80::1]:554/s")),
        ("/var/my images/*.jpg", Files("/var/my images/*.jpg", "/var/my images/*.jpg")),
        ("snapshot+https://u@c/i.jpg", Snapshot("snapshot+https://***@c/i.jpg", "https://u@c/i.jpg")),
        ("rtsps://c/s#tls_verify", Stream("rtsps://c/s#tls_verify", "rtsps://c/s", VERIFIED)),
        ("https://c/#ca_file=/a%20b",
         Stream("https://c/#ca_file=/a%20b", "https://c/", Tls(True, "/a b"))),
        ("snapshot+https://c/#ca_file=/c",
         Snapshot("snapshot+https://c/#ca_file=/c", "https://c/", Tls(True, "/c"))),
        ("rtmp://c/live/s", Stream("rtmp://c/live/s", "rtmp://c/live/s")),
        ("udp://0.0.0.0:5000", Stream("udp://0.0.0.0:5000", "udp://0.0.0.0:5000")),
        ("fakesrc ! tee", GStreamerPipeline("fakesrc ! tee", "fakesrc ! tee")),
        ("gstreamer:videotestsrc ! appsink drop=true",
         GStreamerPipeline("gstreamer:videotestsrc ! appsink drop=true", "videotestsrc")),
        ("test-pattern", MovingPattern("test-pattern", Mode(640, 480))),
        ("test-pattern:64x32", MovingPattern("test-pattern:64x32", Mode(64, 32))),
    ],
)  # fmt: skip
def test_each_kind_is_recognised(text: str, expected: Specification) -> None:
    assert parse_sources(text) == (expected,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be 1 to 1024 characters"),
        ("a\nb", "control characters"),
        ("usb:0", "unknown usb:"),
        ("cammera:0", "did you mean camera"),
        ("camera:front", "for example camera:0"),
        ("camera:0:big", "WIDTHxHEIGHT"),
        ("csi:/dev/video0", "number of the sensor"),
        ("rtsp:/camera/s", "must begin with rtsp://"),
        ("ftp://camera/s", "must be one of rtsp://"),
        ("snapshot+rtsp://camera/s", "must be one of"),
        ("file:///data/drive.mp4", "the path alone"),
        ("rtsp://", "must name a host"),
        ("rtsp://u:pa/ss@camera/", "escape"),
        ("rtsp://u:p@ss/w@camera/", "escape"),
        ("rtsp://camera/a b", "escaped"),
        ("rtsps://c/s#tls_verify=no", "only tls_verify or ca_file=/path after #"),
        ("rtsps://c/s#verify", "only tls_verify or ca_file=/path after #"),
        ("https://c/s#ca_file=cam.pem", "by an absolute path"),
        ("rtsp://c/s#tls_verify", "only rtsps:// and https:// have a certificate"),
        ("rtsp://u:p@c/s#w@d", "escape"),
        ("srt://c:9000", "gstreamer:srtsrc"),
        ("*.mp4", "one video"),
        ("gstreamer:", "elements with"),
        ("videotestsrc ! autovideosink", "without a sink"),
        ("Test_Pattern", "did you mean test-pattern"),
        ('["camera:0", "camera:0"]', "twice"),
        ('["camera:0"', "JSON list"),
        ("[]", "1 to 16 sources"),
        ("[1]", "JSON list"),
    ],
)
def test_what_is_no_source_is_refused_with_a_fix(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match="imageSource=") as error:
        parse_sources(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:hunter2/x@camera/",
        "ftp://admin:hunter2@camera/",
        "rtsp:/admin:hunter2@camera/?password=hunter2",
        "rtsp://admin:hunter2@camera/a b",
        '["rtsp://admin:hunter2@camera/", "rtsp://admin:hunter2@camera/"]',
        '["rtsp://admin:hunter2@camera/"',
        '["rtsp://admin:hunter2@camera/", 7]',
        "rtspsrc location=rtsp://a:hunter2@c/ user-pw=hunter2 ! fakesink",
    ],
)
def test_a_fault_names_no_password(text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_sources(text)
    assert "hunter2" not in str(error.value) + repr(error.value.faults)


def test_a_source_shows_no_password() -> None:
    assert "hunter2" not in repr(parse_sources("rtsp://admin:hunter2@camera/"))


def test_several_sources_are_a_list_or_its_text_and_faults_come_together() -> None:
    both = ["camera:0", "rtsp://camera/s"]
    assert parse_sources(both) == parse_sources('["camera:0", "rtsp://camera/s"]')
    assert parse_sources(parse_image_source(both)) == parse_sources(both)
    assert parse_image_source(" camera:0 ") == "camera:0"
    with pytest.raises(ConfigurationError) as error:
        parse_sources(["usb:0", "camera:0", "csi:x"])
    assert len(error.value.faults) == 2


def test_reading_a_source_needs_neither_opencv_nor_numpy_nor_pyav() -> None:
    code = "import sys, inference.sources; sys.exit(bool({'av', 'cv2', 'numpy'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], cwd=CODE_FOLDER, check=True)


def test_what_is_no_stream_needs_no_pyav() -> None:
    code = (
        "import sys, inference.sources as s; s.open_source(sys.argv[1], repeat=False).read(); "
        "sys.exit('av' in sys.modules)"
    )
    for source in ("static", "test-pattern"):
        subprocess.run([sys.executable, "-c", code, source], cwd=CODE_FOLDER, check=True)
