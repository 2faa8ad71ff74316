"""Cameras, and GStreamer where OpenCV has it, through its VideoCapture."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import cv2

from ...errors import FrameError
from ...preflight import device_fault
from ...vision import images  # noqa: F401 (silences OpenCV, which would print URLs)
from ..specification import Mode
from .attempt import Still, no_picture_for

_SILENT_SECONDS = 4.5


class VideoCapture:
    """One ``cv2.VideoCapture``."""

    frame_rate = 0.0
    lead_seconds = 0.0

    def __init__(self, capture: Any) -> None:
        """Take over an open ``capture``."""
        self._capture = capture

    def grab(self) -> None:
        """Wait for the next frame; that of a camera that sends JPEG is not decoded yet."""
        started = time.monotonic()
        if not self._capture.grab():
            seconds = time.monotonic() - started
            raise OSError("it ended" if seconds < _SILENT_SECONDS else no_picture_for(seconds))

    def retrieve(self) -> Still:
        """Decode the frame; only this is timed."""
        started = time.perf_counter()
        try:
            decoded, image = self._capture.retrieve()
        except cv2.error as error:  # such as too little memory
            raise FrameError(f"cannot be decoded: {error}") from None
        if not decoded or image is None:
            raise FrameError("cannot be decoded")
        return Still(image, None, (time.perf_counter() - started) * 1e3)

    def close(self) -> None:
        """Release it."""
        self._capture.release()


def open_camera(device: str, mode: Mode) -> VideoCapture:
    """Open a Video4Linux device.

    Raises:
        OSError: if it is missing, may not be read, is in use, or delivers no pictures.
    """
    fault = device_fault(Path(device))
    if fault is not None:
        raise OSError(fault)
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise OSError(f"{device} cannot be opened: it is in use, or is not a camera")
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
    capture = cv2.VideoCapture(f"{pipeline} ! {sink}", cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        raise OSError("GStreamer cannot run the pipeline; try it with gst-launch-1.0")
    return VideoCapture(capture)


def has_gstreamer() -> bool:
    """Return whether this OpenCV supports GStreamer; the one from PyPI does not."""
    built = re.search(r"GStreamer:\s+YES", cv2.getBuildInformation())
    return bool(built) and cv2.CAP_GSTREAMER in cv2.videoio_registry.getBackends()
