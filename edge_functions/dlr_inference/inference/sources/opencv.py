"""Cameras, streams and videos through OpenCV's VideoCapture."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any, Sequence

import cv2

from ..errors import FrameError
from ..preflight import device_fault
from ..vision import images  # noqa: F401 (silences OpenCV, which would print URLs)
from ..vision.orientation import UPRIGHT, Orientation, by_degrees, of_video, turned
from .attempt import EndOfVideo, Still
from .diagnosis import why_not_open
from .specification import MAX_PIXELS, Mode

OPEN_SECONDS = 6.0
READ_SECONDS = 5.0
_DIAGNOSIS_SECONDS = 1.5

# FFmpeg reads these when a stream is opened. RTSP over TCP: a lost UDP packet smears the picture.
# Quiet: its messages contain URLs with their passwords. Thread safe, as FFmpeg is since version 4:
# otherwise a stream that does not answer holds OpenCV's lock, and no other stream can be opened.
_ENVIRONMENT = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_FFMPEG_IS_THREAD_SAFE": "1",
}


class VideoCapture:
    """One ``cv2.VideoCapture``. ``ends`` is True if it has a last frame."""

    def __init__(
        self, capture: Any, *, ends: bool = False, orientation: Orientation = UPRIGHT
    ) -> None:
        """Take over an open ``capture``, and turn its frames by ``orientation``."""
        self._capture = capture
        self._ends = ends
        self._orientation = orientation
        self._frames = 0
        self.frame_rate = float(capture.get(cv2.CAP_PROP_FPS)) if ends else 0.0

    def grab(self) -> None:
        """Wait for the next frame; OpenCV leaves part of the decoding to :meth:`retrieve`.

        For a camera that sends JPEG that is all of the decoding, for a stream the conversion to
        blue-green-red.
        """
        started = time.monotonic()
        if not self._capture.grab():
            if self._ends and self._frames == 0:
                raise OSError(_undecodable(self._capture))
            if self._ends:
                raise EndOfVideo
            raise OSError(self._why_lost(time.monotonic() - started))
        self._frames += 1

    def retrieve(self) -> Still:
        """Decode the frame; only this is timed."""
        started = time.perf_counter()
        try:
            decoded, image = self._capture.retrieve()
            if not decoded or image is None:
                raise FrameError("cannot be decoded")
            image = turned(image, self._orientation)
        except cv2.error as error:  # such as too little memory
            raise FrameError(f"cannot be decoded: {error}") from None
        return Still(image, None, (time.perf_counter() - started) * 1e3)

    def close(self) -> None:
        """Release it."""
        self._capture.release()

    def _why_lost(self, seconds: float) -> str:
        if self._frames == 1:
            return "it ended after one frame; for a still write snapshot+ before the address"
        if seconds < READ_SECONDS * 0.9:
            return "it ended"
        return f"no frame that can be decoded came for {seconds:.0f} s"


def open_stream(url: str) -> VideoCapture:
    """Open a stream over RTSP or HTTP.

    Raises:
        OSError: if it does not answer in time, refuses, or is not a video.
    """
    capture = _open(url, cv2.CAP_FFMPEG, _timeouts())
    if not capture.isOpened():
        raise why_not_open(url, _DIAGNOSIS_SECONDS)
    _check_size(capture)
    return VideoCapture(capture)


def open_video(path: str) -> VideoCapture:
    """Open a video file.

    Raises:
        OSError: if it is not a video that FFmpeg can decode.
    """
    capture = _open(path, cv2.CAP_FFMPEG, [])
    if not capture.isOpened():
        raise OSError("there is no such file" if not Path(path).is_file() else "it is no video")
    _check_size(capture)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # it would not mirror
    orientation = of_video(path) or by_degrees(capture.get(cv2.CAP_PROP_ORIENTATION_META))
    return VideoCapture(capture, ends=True, orientation=orientation)


def open_camera(device: str, mode: Mode) -> VideoCapture:
    """Open a Video4Linux device.

    Raises:
        OSError: if it is missing, may not be read, is in use, or delivers no pictures.
    """
    fault = device_fault(Path(device))
    if fault is not None:
        raise OSError(fault)
    capture = _open(device, cv2.CAP_V4L2, [])
    if not capture.isOpened():
        raise OSError(f"{device} cannot be opened: it is in use, or is no camera")
    if mode.width:
        # USB 2 carries large uncompressed pictures at only a few frames per second.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.height)
    if mode.rate:
        capture.set(cv2.CAP_PROP_FPS, mode.rate)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return VideoCapture(capture)


def open_gstreamer(pipeline: str) -> VideoCapture:
    """Open a GStreamer pipeline; a sink that drops old frames is added to it.

    Raises:
        OSError: if GStreamer cannot run it.
    """
    sink = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    capture = _open(f"{pipeline} ! {sink}", cv2.CAP_GSTREAMER, [])
    if not capture.isOpened():
        raise OSError("GStreamer cannot run the pipeline; try it with gst-launch-1.0")
    return VideoCapture(capture)


def has_gstreamer() -> bool:
    """Return whether this OpenCV supports GStreamer; the one from PyPI does not."""
    built = re.search(r"GStreamer:\s+YES", cv2.getBuildInformation())
    return bool(built) and cv2.CAP_GSTREAMER in cv2.videoio_registry.getBackends()


def _undecodable(capture: Any) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False)
    text = code.decode("latin-1")
    codec = f" {text}" if text.isprintable() and text.isascii() else ""
    return f"no frame of it can be decoded: convert its codec{codec} to H.264"


def _open(address: str, backend: int, parameters: Sequence[int]) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return cv2.VideoCapture(address, backend, list(parameters))


def _check_size(capture: Any) -> None:
    """Refuse pictures that would fill the memory, before the first is decoded."""
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > MAX_PIXELS:
        capture.release()
        raise OSError(f"its pictures of {width}x{height} pixels are too large")


def _timeouts() -> list[int]:
    """Return FFmpeg's time limits, which are 30 s by default, and one decoding thread.

    Each further thread would delay the picture by a frame.
    """
    wanted = {
        "CAP_PROP_OPEN_TIMEOUT_MSEC": OPEN_SECONDS * 1e3,
        "CAP_PROP_READ_TIMEOUT_MSEC": READ_SECONDS * 1e3,
        "CAP_PROP_N_THREADS": 1,
    }
    parameters = []
    for name, value in wanted.items():
        number = getattr(cv2, name, None)  # an older OpenCV rejects unknown parameters
        if number is not None:
            parameters += [number, int(value)]
    return parameters
