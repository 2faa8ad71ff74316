"""Parses ``imageSource``, once, into one dataclass per kind of source.

Nothing here needs OpenCV or a device, so that ``cdk synth`` refuses what no device can open.
"""

from __future__ import annotations

import glob
import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Union
from urllib.parse import urlsplit

from ..redaction import MAX_CHARACTERS, redacted, redacted_url
from ..schema import ConfigurationError, Fault, nearest
from .tls import UNVERIFIED, VERIFIED, Tls, parse_tls

KEY = "imageSource"
STATIC_SOURCE = "static"
TEST_PATTERN = "test-pattern"

IMAGE_SUFFIXES = (
    ".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Suffixes of image files, in lower case, that a folder source reads."""

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")
"""Suffixes of video files, in lower case."""

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp")
MAX_SOURCES = 16
MAX_PIXELS = 8192 * 8192
"""Largest picture of a camera, stream or video."""

_DEVICE = r"(?P<device>[0-9]{1,3}|/dev/[\w./-]{1,250})(?::(?P<mode>.*))?"
_MODE = r"(?P<width>[0-9]{2,5})x(?P<height>[0-9]{2,5})(?:@(?P<rate>[0-9]{1,3}))?"
_PREFIX = r"(?P<prefix>[A-Za-z][\w+.-]{0,31}):"
_PREFIXES = ("camera", "csi", "gstreamer", "watch", TEST_PATTERN, *STREAM_SCHEMES)


@dataclass(frozen=True)
class Mode:
    """Width and height in pixels, and frames per second; 0 leaves it to the camera."""

    width: int = 0
    height: int = 0
    rate: int = 0


@dataclass(frozen=True)
class Files:
    """The images of a folder or glob, or one image; with ``watch``, each once, as they appear."""

    name: str
    pattern: str
    watch: bool = False


@dataclass(frozen=True)
class Video:
    """A video file."""

    name: str
    path: str


@dataclass(frozen=True)
class UsbCamera:
    """A Video4Linux device, such as a USB camera."""

    name: str
    device: str
    mode: Mode


@dataclass(frozen=True)
class CsiCamera:
    """A camera on the board's camera interface, by number."""

    name: str
    sensor: int
    mode: Mode


@dataclass(frozen=True)
class Stream:
    """A stream over the network. ``url`` may contain credentials, ``name`` does not."""

    name: str
    url: str = field(repr=False)
    tls: Tls = UNVERIFIED


@dataclass(frozen=True)
class Snapshot:
    """A still that is fetched again for each frame. ``url`` may contain credentials."""

    name: str
    url: str = field(repr=False)
    tls: Tls = VERIFIED


@dataclass(frozen=True)
class GStreamerPipeline:
    """A GStreamer pipeline, without its sink. ``text`` may contain credentials."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class MovingPattern:
    """A moving test picture with its frame number."""

    name: str
    mode: Mode


Specification = Union[
    Files, Video, UsbCamera, CsiCamera, Stream, Snapshot, GStreamerPipeline, MovingPattern
]


def parse_sources(value: object) -> tuple[Specification, ...]:
    """Read ``imageSource``: one source, or several as a list or as JSON text of one.

    Raises:
        ConfigurationError: naming each invalid source, without its credentials, and a fix.
    """
    texts = _texts(value)
    sources: list[Specification] = []
    faults: list[Fault] = []
    for text in texts:
        try:
            source = _parse(text.strip())
        except ConfigurationError as error:
            faults.extend(error.faults)
            continue
        if source in sources:
            faults.append(Fault(KEY, source.name, "is in the list twice; name each source once"))
        sources.append(source)
    if faults:
        raise ConfigurationError(faults)
    return tuple(sources)


def parse_image_source(value: object) -> str:
    """Check ``imageSource`` and return it as one string that :func:`parse_sources` reads.

    Raises:
        ConfigurationError: as :func:`parse_sources`.
    """
    parse_sources(value)
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _texts(value: object) -> list[str]:
    rule = 'must be a source, or a JSON list of sources such as ["camera:0", "camera:1"]'
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _fault(redacted(str(value)), rule) from None
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise _fault(redacted(str(value)), rule)
    if not 1 <= len(texts) <= MAX_SOURCES:
        raise _fault(f"{len(texts)} sources", f"must be 1 to {MAX_SOURCES} sources")
    return list(texts)


def _parse(text: str) -> Specification:
    """Read one source, which has no spaces around it."""
    is_pipeline = text.startswith("gstreamer:") or " ! " in text
    name = redacted_url(text) if "://" in text and not is_pipeline else redacted(text)
    if not text or len(text) > MAX_CHARACTERS or not text.isprintable():
        raise _fault(name, f"must be 1 to {MAX_CHARACTERS} characters without control characters")
    if is_pipeline:
        return _pipeline(name, text)
    if text == TEST_PATTERN:
        return MovingPattern(name, Mode(640, 480))
    if text.startswith("/dev/"):
        return _usb_camera(name, text)
    if "://" in text:
        return _address(name, text)
    match = re.match(_PREFIX, text)
    if match:
        return _prefixed(name, match["prefix"], text[match.end() :])
    return _path(name, text)


def _prefixed(name: str, prefix: str, rest: str) -> Specification:
    if prefix == "camera":
        return _usb_camera(name, f"/dev/video{rest}" if rest[:1].isdigit() else rest)
    if prefix == "csi":
        match = re.fullmatch(_DEVICE, rest)
        if not match or not match["device"].isdigit():
            raise _fault(name, "must be csi: and the number of the sensor", "csi:0:1280x720@30")
        return CsiCamera(name, int(match["device"]), _mode(name, match["mode"]))
    if prefix == "watch":
        if not rest:
            raise _fault(name, "needs a folder or glob", "watch:/var/images")
        return Files(name, rest, watch=True)
    if prefix == TEST_PATTERN:
        return MovingPattern(name, _mode(name, rest))
    if prefix in STREAM_SCHEMES:
        raise _fault(name, f"must begin with {prefix}://", f"{prefix}://192.168.1.20/stream")
    near = nearest(prefix, _PREFIXES)
    hint = (
        f"did you mean {near}:…?" if near else "a path with a colon in it must begin with / or ./"
    )
    raise _fault(name, f"begins with the unknown {prefix}:; {hint}", "camera:0")


def _usb_camera(name: str, text: str) -> UsbCamera:
    match = re.fullmatch(_DEVICE, text)
    if not match or match["device"].isdigit():
        rule = "must be camera: and a number, or a device, and if need be :WIDTHxHEIGHT@RATE"
        raise _fault(name, rule, "camera:0:1280x720@15")
    return UsbCamera(name, match["device"], _mode(name, match["mode"]))


def _mode(name: str, text: str | None) -> Mode:
    if text is None:
        return Mode()
    match = re.fullmatch(_MODE, text)
    if not match or not 16 <= int(match["width"]) <= 8192 or not 16 <= int(match["height"]) <= 8192:
        example = f"{name.rpartition(':')[0]}:1280x720@15"
        raise _fault(name, "must end in WIDTHxHEIGHT or WIDTHxHEIGHT@RATE", example)
    return Mode(int(match["width"]), int(match["height"]), int(match["rate"] or 0))


def _address(name: str, text: str) -> Specification:
    scheme, _, _ = text.partition("://")
    still = scheme.startswith("snapshot+")
    address, _, fragment = (text[len("snapshot+") :] if still else text).partition("#")
    protocol = address.partition("://")[0]
    if protocol not in (("http", "https") if still else STREAM_SCHEMES):
        raise _unknown_scheme(name, scheme)
    example = scheme + "://192.168.1.20/stream"
    if re.search(r"[\s\"'<>]", text):
        raise _fault(name, "must have spaces and quotes escaped, as %20 and %22", example)
    escape = "escape / ? # @ in a password as %2F %3F %23 %40"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _fault(name, f"has no valid host and port; {escape}", example) from None
    user = f"{parts.username or ''}{parts.password or ''}"
    behind = f"{parts.path}{parts.query}"
    if not host or "@" in user + fragment or (user and "@" in behind):
        raise _fault(name, f"must name a host; {escape}", example)
    kind = Snapshot if still else Stream
    try:
        return kind(name, address, parse_tls(fragment, protocol, kind.tls))
    except ValueError as error:
        raise _fault(name, str(error), example + "#ca_file=/etc/camera.pem") from None


def _unknown_scheme(name: str, scheme: str) -> ConfigurationError:
    if scheme == "file":
        return _fault(name, "must be the path alone, without file://", "/data/drive.mp4")
    if scheme == "srt":
        return _fault(name, "needs GStreamer", "gstreamer:srtsrc uri=srt://… ! decodebin")
    schemes = ", ".join(f"{one}://" for one in STREAM_SCHEMES)
    return _fault(name, f"must be one of {schemes}, snapshot+http://, or a path")


def _pipeline(name: str, text: str) -> GStreamerPipeline:
    pipeline = text[len("gstreamer:") :] if text.startswith("gstreamer:") else text
    elements = [element.strip() for element in pipeline.split(" ! ")]
    if elements[-1].split()[:1] == ["appsink"]:
        elements.pop()
    if not elements or not all(elements) or elements[-1].split()[0].endswith("sink"):
        rule = "must be elements with ` ! ` between them, without a sink other than appsink"
        raise _fault(name, rule, "gstreamer:v4l2src device=/dev/video0 ! videoconvert")
    return GStreamerPipeline(name, " ! ".join(elements))


def _path(name: str, text: str) -> Specification:
    if text != STATIC_SOURCE and text.lower().replace("_", "-") in (STATIC_SOURCE, TEST_PATTERN):
        word = text.lower().replace("_", "-")
        raise _fault(name, f"did you mean {word}? Write ./ before the path of a folder", word)
    if PurePosixPath(text).suffix.lower() not in VIDEO_SUFFIXES:
        return Files(name, text)
    if glob.has_magic(text):
        rule = "must be one video; name several in a JSON list"
        raise _fault(name, rule, '["first.mp4", "second.mp4"]')
    return Video(name, text)


def _fault(name: str, rule: str, example: str = "") -> ConfigurationError:
    return ConfigurationError([Fault(KEY, name, rule, example)])
