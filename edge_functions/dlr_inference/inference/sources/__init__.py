"""Where frames come from. Importing this needs no OpenCV, so that reading settings does not."""

from .files import SAMPLE_IMAGES, FileSource
from .frame import Frame, FrameSource, NoFrameError
from .opening import open_source
from .specification import parse_image_source, parse_sources
from .status import SourceStatus

__all__ = [
    "SAMPLE_IMAGES",
    "FileSource",
    "Frame",
    "FrameSource",
    "NoFrameError",
    "SourceStatus",
    "open_source",
    "parse_image_source",
    "parse_sources",
]
