"""Opens what is captured: cameras, streams, stills that are fetched again, and videos."""

from __future__ import annotations

import os
from functools import partial
from typing import Union

from ...schema import ConfigurationError, Fault
from ...vision.geometry import Reduction
from ..frame import FrameSource
from ..specification import KEY, CsiCamera, GStreamerPipeline, Snapshot, Stream, UsbCamera, Video
from . import opencv, snapshot
from .capture import CapturePolicy, CaptureSource
from .demand import Demand

Captured = Union[Video, UsbCamera, CsiCamera, Stream, Snapshot, GStreamerPipeline]


def open_camera(source: Captured, repeat: bool, reduction: Reduction) -> FrameSource:
    """Open one source, as :func:`inference.sources.open_source` has it.

    Raises:
        ConfigurationError: if this device cannot have such a source.
    """
    if isinstance(source, (Stream, Snapshot)):
        _check_ca_file(source)
    if isinstance(source, Stream):
        return _open_stream(source, reduction)
    if isinstance(source, Video):
        return _open_video(source, repeat)
    if isinstance(source, Snapshot):
        opener = partial(snapshot.SnapshotCapture, source.url, tls=source.tls, reduction=reduction)
        return CaptureSource(source.name, opener, policy=CapturePolicy(live=False))
    if isinstance(source, UsbCamera):
        return CaptureSource(source.name, partial(opencv.open_camera, source.device, source.mode))
    return _open_gstreamer(source)


def _check_ca_file(source: Stream | Snapshot) -> None:
    if source.tls.ca_file and not os.access(source.tls.ca_file, os.R_OK):
        rule = f"there is no readable file {source.tls.ca_file} on this device"
        raise ConfigurationError([Fault(KEY, source.name, rule)])


def _open_stream(source: Stream, reduction: Reduction) -> FrameSource:
    from . import network, pyav  # need PyAV, which only streams and videos do

    if source.tls.verify and not pyav.can_verify(source.url):
        rule = (
            "needs Python 3.10 or newer, since FFmpeg 7 and older verifies no RTSP server; or use "
            "GStreamer's rtspsrc with tls-validation-flags"
        )
        raise ConfigurationError([Fault(KEY, source.name, rule)])
    demand = Demand()
    opener = partial(network.open_network, source, demand, reduction)
    return CaptureSource(source.name, opener, demand=demand, limits=network.LIMITS)


def _open_video(source: Video, repeat: bool) -> FrameSource:
    from . import pyav  # needs PyAV, which only streams and videos do

    fault = pyav.file_fault(source.path)
    if fault:
        raise ConfigurationError([Fault(KEY, source.name, fault)])
    demand = Demand() if repeat else None
    policy = CapturePolicy(live=repeat, paced=repeat, repeat=repeat, retry=repeat)
    opener = partial(pyav.open_video, source.path, demand)
    return CaptureSource(source.name, opener, policy=policy, demand=demand)


def _open_gstreamer(source: CsiCamera | GStreamerPipeline) -> FrameSource:
    from . import gstreamer

    run = opencv.open_gstreamer if opencv.has_gstreamer() else gstreamer.LaunchedPipeline
    if run is gstreamer.LaunchedPipeline and not gstreamer.is_installed():
        rule = "needs GStreamer: install gstreamer1.0-plugins-good and the pipeline's own plugins"
        raise ConfigurationError([Fault(KEY, source.name, rule)])
    if isinstance(source, CsiCamera):
        return CaptureSource(source.name, lambda: run(gstreamer.csi_pipeline(source)))
    return CaptureSource(source.name, partial(run, source.text))
