"""GStreamer pipelines beside an OpenCV without GStreamer."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_functions import CODE_FOLDER
from inference.sources.cameras import pipeline_process
from inference.sources.cameras.capture import CaptureSource
from inference.sources.cameras.gstreamer import LaunchedPipeline
from tests.waiting import eventually

from .servers import free_port, needs_gstreamer, require_frame

pytestmark = pytest.mark.streams


@needs_gstreamer
def test_a_gstreamer_pipeline_runs_beside_an_opencv_without_gstreamer() -> None:
    pipeline = "videotestsrc pattern=white is-live=true ! video/x-raw,width=322,height=242"
    source = CaptureSource("pipeline", partial(LaunchedPipeline, pipeline))
    frame = require_frame(source)
    assert frame.image.shape == (242, 322, 3)
    assert frame.image.mean() > 250
    started = time.monotonic()
    source.close()
    assert time.monotonic() - started < 2


@needs_gstreamer
@pytest.mark.parametrize(
    "form",
    [
        "format=I420,width=640,height=480,colorimetry=bt601",
        "format=I420,width=640,height=480,colorimetry=bt709",
        "format=NV12,width=1280,height=720",
        "format=BGRx,width=1280,height=720",
        "format=I420,width=640,height=480,colorimetry=1:4:0:0",  # as JPEG has it: 0 to 255
        "width=640,height=480 ! jpegenc quality=100 ! jpegdec",
    ],
)
def test_colours_are_right_however_the_source_codes_them(form: str) -> None:
    colour = 0xFFEB3C0C
    capture = LaunchedPipeline(
        f"videotestsrc pattern=solid-color foreground-color={colour} is-live=true ! "
        f"video/x-raw,{form}"
    )
    try:
        capture.grab()
        found = capture.retrieve().image.mean(axis=(0, 1))
    finally:
        capture.close()
    assert found == pytest.approx([0x0C, 0x3C, 0xEB], abs=4)


BARS = [(235, 235, 235), (16, 235, 235), (235, 235, 16), (16, 235, 16)]
BARS += [(235, 16, 235), (16, 16, 235), (235, 16, 16)]


def assert_bars(image: Any, width: int, height: int) -> None:
    """Check that ``image`` has the bars of videotestsrc, upright, in each of its rows above."""
    assert image.shape == (height, width, 3)
    for row in (0, height // 4, height // 2):
        found = [image[row, round(width * (at + 0.5) / 7)] for at in range(7)]
        np.testing.assert_allclose(np.array(found, int), BARS, atol=25)


@needs_gstreamer
@pytest.mark.parametrize("size", [(320, 240), (322, 242), (324, 244), (854, 480), (1366, 768)])
def test_pictures_of_any_even_width_are_whole(size: tuple[int, int]) -> None:
    """GStreamer's rows have lengths that are multiples of four."""
    width, height = size
    form = f"width={width},height={height},framerate=25/1"
    capture = LaunchedPipeline(f"videotestsrc is-live=true pattern=smpte ! video/x-raw,{form}")
    try:
        for _ in range(3):
            capture.grab()
            assert_bars(capture.retrieve().image, width, height)
    finally:
        capture.close()


@pytest.mark.parametrize("is_padded", [False, True])
def test_pictures_are_whole_whether_gstreamer_pads_rows_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_padded: bool
) -> None:
    width, height = 14, 4
    padding = (2, 1) if is_padded else (0, 0)
    planes = [
        (value, rows, columns)
        for value, rows, columns in (
            (81, height, width),
            (90, height // 2, width // 2),
            (240, height // 2, width // 2),
        )
    ]
    frame = b"FRAME\n"
    for at, (value, rows, columns) in enumerate(planes):
        frame += (bytes([value]) * columns + bytes(padding[at > 0])) * rows
    writer = tmp_path / "writer.py"
    text = f"YUV4MPEG2 C420 W{width} H{height} Ip F25:1 A1:1\n".encode() + 3 * frame
    writer.write_text(f"import os\nos.write(1, {text!r})\n")
    monkeypatch.setattr(pipeline_process, "__file__", str(writer))
    capture = LaunchedPipeline("any")
    try:
        for _ in range(3):
            capture.grab()
            assert np.abs(capture.retrieve().image.astype(int) - (0, 0, 255)).max() <= 4
    finally:
        capture.close()


@needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ("nosuchelement", 'no element "nosuchelement"'),
        ("videotestsrc num-buffers=1", "it ended"),
        ("videotestsrc foo=1", 'no property "foo"'),
        ("v4l2src device=/dev/video99", "No such file or directory"),
        ("videotestsrc ! video/x-raw,width=321,height=241", "must be even"),
    ],
)
def test_a_pipeline_that_cannot_run_says_why(pipeline: str, reason: str) -> None:
    def run() -> None:
        capture = LaunchedPipeline(pipeline)
        try:
            for _ in range(2):
                capture.grab()
        finally:
            capture.close()

    with pytest.raises(OSError, match=reason):
        run()


@needs_gstreamer
def test_a_password_in_a_pipeline_is_not_among_the_arguments_of_any_process() -> None:
    def arguments() -> str:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                found.append(path.read_text("utf-8", "replace").replace("\0", " "))
        return "\n".join(found)

    secret = f"secret{free_port()}"
    capture = LaunchedPipeline(f"videotestsrc is-live=true name={secret}")
    try:
        capture.grab()
        told = arguments()
    finally:
        capture.close()
    assert "pipeline_process" in told
    assert secret not in told


@needs_gstreamer
def test_a_pipeline_ends_with_the_component_even_if_that_is_killed() -> None:
    code = (
        "import time; "
        "from inference.sources.cameras.gstreamer import LaunchedPipeline as Pipeline; "
        "capture = Pipeline('videotestsrc is-live=true'); "
        "print(capture._process.pid, flush=True); time.sleep(60)"
    )
    component = subprocess.Popen(
        [sys.executable, "-c", code], cwd=CODE_FOLDER, stdout=subprocess.PIPE, text=True
    )
    assert component.stdout is not None
    child = Path("/proc") / component.stdout.readline().strip()
    assert "pipeline_process" in (child / "cmdline").read_text()
    component.kill()
    component.wait()
    component.stdout.close()

    def has_ended() -> bool:
        try:
            return "Z (zombie)" in (child / "status").read_text()
        except OSError:
            return True

    eventually(has_ended, 3)
