"""Opens the sources that ``imageSource`` names."""

from __future__ import annotations

from contextlib import ExitStack

from ..vision.geometry import Reduction, whole
from .files import FileSource
from .frame import FrameSource
from .several import SeveralSources
from .specification import Files, MovingPattern, Specification, parse_sources


def open_source(pattern: str, *, repeat: bool, reduction: Reduction = whole) -> FrameSource:
    """Open the source, or the sources, that ``imageSource`` names.

    Without ``repeat``, files and videos end after their last image, and a video is read as fast as
    frames are requested. With it they start again, and a video plays at its own rate, like a
    camera. Cameras and streams are opened on their own threads: a missing one is not an error, but
    lost, and opened again. ``reduction`` says at which fraction of its size a JPEG may be decoded.

    Raises:
        ConfigurationError: if it names nothing that can be opened.
    """
    with ExitStack() as opened:
        sources = []
        for specification in parse_sources(pattern):
            source = _open(specification, repeat, reduction)
            opened.callback(source.close)
            sources.append(source)
        opened.pop_all()
    return sources[0] if len(sources) == 1 else SeveralSources(sources)


def _open(source: Specification, repeat: bool, reduction: Reduction) -> FrameSource:
    if isinstance(source, Files):
        return FileSource(source.pattern, repeat=repeat, watch=source.watch, reduction=reduction)
    if isinstance(source, MovingPattern):
        from .pattern import PatternSource  # needs OpenCV, which reading settings must not

        return PatternSource(source.name, source.mode)
    from .cameras.opening import open_camera  # so do these, and few cores have them

    return open_camera(source, repeat, reduction)
