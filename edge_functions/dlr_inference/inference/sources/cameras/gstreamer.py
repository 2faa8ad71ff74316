"""GStreamer pipelines for an OpenCV without GStreamer, such as the one from PyPI."""

from __future__ import annotations

import ctypes
import re
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...redaction import one_line
from ..specification import MAX_PIXELS, CsiCamera
from . import pipeline_process
from .attempt import READ_SECONDS, Still

_SINK = (
    "queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! videoconvert ! "
    "video/x-raw,format=I420,colorimetry=bt601 ! y4menc ! fdsink fd={data} sync=false"
)
"""YUV4MPEG2 does not say how colours are coded, so they are all coded as OpenCV decodes them."""
_FRAME = b"FRAME\n"
_NVIDIA = Path("/etc/nv_tegra_release")


def csi_pipeline(camera: CsiCamera) -> str:
    """Return the pipeline for a camera on the board's camera interface.

    NVIDIA's Jetson has its own element, other boards use libcamera's. For a board whose camera is a
    Video4Linux device, such as NXP's i.MX, use ``camera:``.
    """
    mode = camera.mode
    size = f",width={mode.width},height={mode.height}" if mode.width else ""
    rate = f",framerate={mode.rate}/1" if mode.rate else ""
    if _NVIDIA.exists():
        return (
            f"nvarguscamerasrc sensor-id={camera.sensor} ! video/x-raw(memory:NVMM){size}{rate} ! "
            "nvvidconv ! video/x-raw,format=BGRx"
        )
    return f"libcamerasrc{_libcamera_name(camera.sensor)} ! video/x-raw{size}{rate}"


def is_installed() -> bool:
    """Return whether GStreamer's library is installed."""
    try:
        ctypes.CDLL(pipeline_process.LIBRARY)
    except OSError:
        return False
    return True


class LaunchedPipeline:
    """The frames that a child process writes to a pipe as YUV4MPEG2.

    https://wiki.multimedia.cx/index.php/YUV4MPEG2. Older versions of GStreamer, such as 1.22, leave
    each row padded to a multiple of four bytes, which the format does not know.
    """

    frame_rate = 0.0
    lead_seconds = 0.0

    def __init__(self, pipeline: str, *, seconds: float = READ_SECONDS) -> None:
        """Start ``pipeline``; each frame may take at most ``seconds``.

        Raises:
            OSError: if it cannot run, or delivers no picture.
        """
        self._seconds = seconds
        self._planes = b""
        self._ahead = b""
        self._process = subprocess.Popen(
            [sys.executable, "-I", pipeline_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        try:
            self._write(f"{pipeline} ! {_SINK}\n")
            self._width, self._height = self._size()
            self._strides = self._width, self._width // 2
            self._is_padded = None if _padded(self._width) != self._strides else False
        except OSError:
            self.close()
            raise

    def grab(self) -> None:
        """Wait for the next frame."""
        deadline = time.monotonic() + self._seconds
        line = self._line(deadline)
        if not line.startswith(_FRAME.strip()):
            raise OSError("GStreamer's output is damaged")
        self._planes = self._bytes(self._frame_bytes(), deadline)
        if self._is_padded is None:
            self._ahead = self._bytes(len(_FRAME), deadline)
            self._is_padded = self._ahead != _FRAME
            if self._is_padded:
                self._strides = _padded(self._width)
                self._planes += self._bytes(self._frame_bytes() - len(self._planes), deadline)

    def retrieve(self) -> Still:
        """Convert it, and time that."""
        started = time.perf_counter()
        image = cv2.cvtColor(self._packed(), cv2.COLOR_YUV2BGR_I420)
        return Still(image, None, (time.perf_counter() - started) * 1e3)

    def close(self) -> None:
        """End the child process."""
        self._process.terminate()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _frame_bytes(self) -> int:
        luma, chroma = self._strides
        return (luma + chroma) * self._height

    def _packed(self) -> Any:
        """Return the three planes without padding, below each other, as OpenCV takes them."""
        width, height = self._width, self._height
        planes = np.frombuffer(self._planes, np.uint8)
        if self._is_padded:
            luma, chroma = self._strides
            rows = planes[: luma * height].reshape(height, luma)[:, :width]
            colours = planes[luma * height :].reshape(height, chroma)[:, : width // 2]
            planes = np.concatenate([rows.ravel(), colours.ravel()])
        return planes.reshape(height * 3 // 2, width)

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended; reading from it returns the reason
            self._process.stdin.write(text.encode())

    def _size(self) -> tuple[int, int]:
        header = self._line(time.monotonic() + self._seconds).decode("ascii", "replace")
        match = re.match(r"YUV4MPEG2 .*?\bW(\d+) H(\d+)\b", header)
        width, height = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 0 < width * height <= MAX_PIXELS:
            raise OSError("GStreamer gives no picture")
        if width % 2 or height % 2:
            raise OSError(f"width and height must be even, and are {width}x{height}")
        return width, height

    def _line(self, deadline: float) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) < 256:
            line += self._bytes(1, deadline)
        return line

    def _bytes(self, count: int, deadline: float) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        body = bytearray(self._ahead[:count])
        self._ahead = self._ahead[count:]
        while len(body) < count:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise OSError(f"no frame came for {self._seconds:g} s")
            chunk = pipe.read(count - len(body))
            if not chunk:
                raise OSError(self._why_ended())
            body += chunk
        return bytes(body)

    def _why_ended(self) -> str:
        """Return the reason that a child process whose output has ended wrote to stderr."""
        pipe: Any = self._process.stderr
        ready, _, _ = select.select([pipe], [], [], self._seconds)
        reason = pipe.read(4096).decode("utf-8", "replace") if ready else ""
        return one_line(f"GStreamer: {reason or 'it ended'}")


def _padded(width: int) -> tuple[int, int]:
    """Return how many bytes GStreamer pads the rows of luma and of chroma to."""
    return -(-width // 4) * 4, -(-width // 8) * 4


def _libcamera_name(sensor: int) -> str:
    """Return nothing for the first camera: libcamera knows the others by long names only."""
    if sensor == 0:
        return ""
    raise OSError(
        "libcamera knows all cameras but the first by name: use a pipeline with libcamerasrc "
        "camera-name=…"
    )
