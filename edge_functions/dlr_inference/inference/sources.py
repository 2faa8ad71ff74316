"""Where frames come from."""

from __future__ import annotations

import glob
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import FrameError
from .images import IMAGE_SUFFIXES, decode, encode_jpeg
from .schema import ConfigurationError, Fault
from .settings import STATIC_SOURCE

SAMPLE_IMAGES = Path(__file__).parent.parent / "sample_images"
"""The photographs behind ``imageSource=static``."""


@dataclass(frozen=True)
class Frame:
    """One image and where it came from.

    ``image`` is uint8 of shape (height, width, 3), blue-green-red. ``data`` is the encoded image as
    it came, if it came encoded. ``captured_at`` is in seconds since the epoch, ``capture_ms`` the
    time that reading and decoding took.
    """

    id: int
    source: str
    image: Any
    data: bytes | None
    captured_at: float
    capture_ms: float

    def encoded(self) -> bytes:
        """Return the image as a file: its own bytes if it came as one, otherwise as JPEG.

        Raises:
            FrameError: if it cannot be encoded.
        """
        return encode_jpeg(self.image, self.source) if self.data is None else self.data


class FrameSource(ABC):
    """Something that yields frames, one at a time, for as long as it lasts."""

    @abstractmethod
    def read(self) -> Frame | None:
        """Return the next frame, or None when there will be no more.

        Raises:
            FrameError: if this frame cannot be used; the next may be good.
        """

    def close(self) -> None:
        """Release what the source holds. Reading after that is an error."""
        return


class FileSource(FrameSource):
    """The images of a folder or glob, in the order of their names.

    With ``repeat``, starts again after the last one, with the files that are there by then.
    """

    def __init__(self, pattern: str, *, repeat: bool) -> None:
        self._pattern = str(SAMPLE_IMAGES) if pattern == STATIC_SOURCE else pattern
        self._repeat = repeat
        self._waiting: list[Path] = []
        self._frames = 0
        self._rounds = 0
        if not self._list():
            raise ConfigurationError([Fault("imageSource", pattern, _why_empty(self._pattern))])

    def read(self) -> Frame | None:
        """Return the next image, or None after the last one of a source that does not repeat."""
        if not self._waiting:
            if self._rounds and not self._repeat:
                return None
            self._waiting = self._list()
            self._rounds += 1
            if not self._waiting:
                raise FrameError(f"{self._pattern}: {_why_empty(self._pattern)}")
        path = self._waiting.pop(0)
        self._frames += 1
        captured_at, started = time.time(), time.perf_counter()
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FrameError(f"{path}: cannot be read: {error.strerror}") from None
        image = decode(data, str(path))
        capture_ms = (time.perf_counter() - started) * 1e3
        return Frame(self._frames, str(path), image, data, captured_at, capture_ms)

    def _list(self) -> list[Path]:
        if Path(self._pattern).is_dir():
            paths = [path for path in Path(self._pattern).iterdir() if _is_image_name(path)]
        else:
            paths = [Path(name) for name in glob.glob(self._pattern, recursive=True)]  # noqa: PTH207 (absolute patterns)
        return sorted(path for path in paths if path.is_file())


def open_source(pattern: str, *, repeat: bool) -> FrameSource:
    """Open the source that ``imageSource`` names.

    Raises:
        ConfigurationError: if it names nothing that can be opened.
    """
    return FileSource(pattern, repeat=repeat)


def _is_image_name(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _why_empty(pattern: str) -> str:
    if Path(pattern).is_dir():
        return "has no images in it (" + " ".join(IMAGE_SUFFIXES) + ")"
    if glob.has_magic(pattern):
        return "matches no file"
    return "is neither a folder, nor an image, nor a glob that matches one"
