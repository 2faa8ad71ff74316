"""Opens the sources that ``imageSource`` names."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ..schema import ConfigurationError, Fault
from .capture import CapturePolicy, CaptureSource
from .files import FileSource
from .frame import FrameSource
from .several import SeveralSources
from .specification import (
    KEY,
    CsiCamera,
    Files,
    GStreamerPipeline,
    MovingPattern,
    Snapshot,
    Specification,
    Stream,
    UsbCamera,
    Video,
    parse_sources,
)


def open_source(pattern: str, *, repeat: bool) -> FrameSource:
    """Open the source, or the sources, that ``imageSource`` names.

    Without ``repeat``, files and videos end after their last image, and a video is read as fast as
    frames are requested. With it they start again, and a video plays at its own rate, like a
    camera. Cameras and streams are opened on their own threads: a missing one is not an error, but
    lost, and opened again.

    Raises:
        ConfigurationError: if it names nothing that can be opened.
    """
    with ExitStack() as opened:
        sources = []
        for specification in parse_sources(pattern):
            source = _open(specification, repeat)
            opened.callback(source.close)
            sources.append(source)
        opened.pop_all()
    return sources[0] if len(sources) == 1 else SeveralSources(sources)


def _open(source: Specification, repeat: bool) -> FrameSource:
    if isinstance(source, Files):
        return FileSource(source.pattern, repeat=repeat, watch=source.watch)
    # These need OpenCV, which reading settings must not.
    from . import opencv, pattern, snapshot

    if isinstance(source, MovingPattern):
        return pattern.PatternSource(source.name, source.mode)
    if isinstance(source, Video):
        if not Path(source.path).is_file():
            raise ConfigurationError([Fault(KEY, source.name, "there is no such file")])
        policy = CapturePolicy(live=repeat, paced=repeat, repeat=repeat, retry=repeat)
        return CaptureSource(source.name, partial(opencv.open_video, source.path), policy=policy)
    if isinstance(source, Stream):
        return CaptureSource(source.name, partial(opencv.open_stream, source.url))
    if isinstance(source, Snapshot):
        opener = partial(snapshot.SnapshotCapture, source.url)
        return CaptureSource(source.name, opener, policy=CapturePolicy(live=False))
    if isinstance(source, UsbCamera):
        return CaptureSource(source.name, partial(opencv.open_camera, source.device, source.mode))
    return _open_gstreamer(source)


def _open_gstreamer(source: CsiCamera | GStreamerPipeline) -> FrameSource:
    from . import gstreamer, opencv

    run = opencv.open_gstreamer if opencv.has_gstreamer() else gstreamer.LaunchedPipeline
    if run is gstreamer.LaunchedPipeline and not gstreamer.is_installed():
        rule = "needs GStreamer: install gstreamer1.0-plugins-good and the pipeline's own plugins"
        raise ConfigurationError([Fault(KEY, source.name, rule)])
    if isinstance(source, CsiCamera):
        return CaptureSource(source.name, lambda: run(gstreamer.csi_pipeline(source)))
    return CaptureSource(source.name, partial(run, source.text))
