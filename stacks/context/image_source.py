"""``imageSource`` as the context gives it: also what the device's own reader cannot judge.

On a workstation a relative path means something; on a core nobody knows where it starts.
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from inference.schema import ConfigurationError, Fault, nearest
from inference.sources.specification import (
    KEY,
    STATIC_SOURCE,
    TEST_PATTERN,
    Files,
    Specification,
    Video,
    parse_image_source,
    parse_sources,
)

_RULE = "is neither a kind of source nor an absolute path on the device"

_MODE = r"(?P<mode>:[0-9x@]+)?"
_CAMERA = re.compile(
    rf"(?:/?dev/)?(?:usb|cam|camera|webcam|video|v4l2?)?[ :_-]*(?P<number>[0-9]{{1,3}}){_MODE}",
    re.I,
)
_CSI = re.compile(rf"(?:csi|mipi)[ :_-]*(?P<number>[0-9]{{1,2}}){_MODE}", re.I)
_CAMERA_WITHOUT_NUMBER = re.compile(r"(?:usb|cam|camera|webcam|video|v4l2?)[:_-]?", re.I)
_SCHEME = re.compile(r"(?P<scheme>(?:snapshot\+)?(?:rtsps?|https?)):/*(?P<rest>[^/].*)", re.I)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/].*|\\\\.*")
_HOME = re.compile(r"(?:~[^/]*|\$\{?[A-Za-z_]+\}?|\.{1,2})(?:/|$)")


def parse(value: object) -> str:
    """Check ``imageSource`` and return it as one string that the device reads.

    Raises:
        ConfigurationError: naming each source that no core can open, with the corrected one.
    """
    try:
        text = parse_image_source(value)
    except ConfigurationError as error:
        corrected = [
            dataclasses.replace(fault, example=_correction(str(fault.value)) or fault.example)
            for fault in error.faults
        ]
        raise ConfigurationError(corrected) from None
    faults = list(_relative(parse_sources(text)))
    if faults:
        raise ConfigurationError(faults)
    return text


def _relative(sources: tuple[Specification, ...]) -> Iterator[Fault]:
    for source in sources:
        if isinstance(source, Files):
            path = source.pattern
        elif isinstance(source, Video):
            path = source.path
        else:
            continue
        if path == STATIC_SOURCE or PurePosixPath(path).is_absolute():
            continue
        example = "watch:" + _absolute(path) if source.name != path else _correction(path)
        yield Fault(KEY, source.name, _RULE, example or _absolute(path))


def _correction(text: str) -> str:
    """Return what was probably meant by a source that is refused, or nothing."""
    if not text.isprintable():  # that is what is wrong with it
        return ""
    for pattern, kind in ((_CAMERA, "camera"), (_CSI, "csi")):
        found = pattern.fullmatch(text)
        meant = found and f"{kind}:{found['number']}{found['mode'] or ''}"
        if meant and meant != text:  # otherwise its mode is wrong, which the fault says
            return meant
    if _CAMERA_WITHOUT_NUMBER.fullmatch(text):
        return "camera:0"
    found = _SCHEME.fullmatch(text)
    if found and "*" not in found["rest"]:  # a name without its password is not a correction
        return f"{found['scheme'].lower()}://{found['rest']}"
    if _WINDOWS.fullmatch(text):
        return "/" + text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if text.startswith("file:"):
        return "/" + text.removeprefix("file:").lstrip("/")
    if "!" in text:
        return "gstreamer:" + " ! ".join(part.strip() for part in text.split("!"))
    words = (STATIC_SOURCE, TEST_PATTERN)
    return nearest(text.lower().strip("/"), words, cutoff=0.8) or ""


def _absolute(path: str) -> str:
    """Return a relative path from the root, without its way there."""
    while found := _HOME.match(path):
        path = path[found.end() :]
    return f"/{path}"
