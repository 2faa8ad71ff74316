"""Images in files: a folder or glob, once, over and over, or as they come."""

from __future__ import annotations

import glob
import threading
import time
from collections import deque
from pathlib import Path
from typing import Tuple

from ..errors import FrameError
from ..schema import ConfigurationError, Fault
from .frame import WAIT_SECONDS, Frame, FrameSource, NoFrameError
from .specification import IMAGE_SUFFIXES, KEY, STATIC_SOURCE
from .status import LOST, STOPPED, STREAMING, SourceStatus, StatusKeeper

SAMPLE_IMAGES = Path(__file__).parent.parent.parent / "sample_images"
"""The photographs behind ``imageSource=static``."""

_LOOK_SECONDS = 0.2
_PAUSE_SECONDS = 0.05
_LOOK_SHARE = 20  # a large folder on slow storage is looked through for 1/20 of the time at most

_Signature = Tuple[int, int]


class FileSource(FrameSource):
    """The images of a folder or glob, in the order of their names.

    With ``repeat``, starts again after the last one, and watches for files that come or change:
    those are next, before the round goes on. With ``watch``, each file is read once, those that
    are there and then those that come; the folder may be empty. A file that comes is read when its
    size and time have stood still between two looks, since it may still be being written.
    """

    def __init__(self, pattern: str, *, repeat: bool, watch: bool = False) -> None:
        self._pattern = str(SAMPLE_IMAGES) if pattern == STATIC_SOURCE else pattern
        self._cycle = repeat and not watch
        self._watched = repeat or watch
        self._known = self._list()
        self._settling: dict[Path, _Signature] = {}
        self._fresh: deque[Path] = deque()
        self._round = deque(sorted(self._known))
        self._next_look = 0.0
        self._closed = threading.Event()
        self._keeper = StatusKeeper(pattern)
        if not self._known and not watch:
            raise ConfigurationError([Fault(KEY, pattern, _why_empty(self._pattern))])
        self._keeper.enter(STREAMING, "")

    def read(self) -> Frame | None:
        """Return the next image, or None after the last one of a source that does not repeat."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self.poll()
            except NoFrameError:
                if time.monotonic() >= deadline:
                    raise
            self._closed.wait(_PAUSE_SECONDS)

    def poll(self) -> Frame | None:
        """Do as :meth:`read`, without waiting for a file that may come."""
        while not self._closed.is_set():
            path = self._next()
            if path is None and not self._watched:
                break
            if path is None:
                raise self._nothing()
            frame = self._load(path)
            if frame is not None:
                return frame
        self._keeper.enter(STOPPED)
        return None

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return the one status: lost while a folder that had images has none."""
        return (self._keeper.status,)

    def close(self) -> None:
        """End the source."""
        self._closed.set()
        self._keeper.enter(STOPPED)

    def _next(self) -> Path | None:
        if self._watched and time.monotonic() >= self._next_look:
            self._look()
        if self._fresh:
            return self._fresh.popleft()
        if not self._round and self._cycle:
            self._round.extend(sorted(self._known))
        return self._round.popleft() if self._round else None

    def _look(self) -> None:
        """Find the files that came or changed, and forget those that went."""
        started = time.monotonic()
        found = self._list()
        settling = {path: sign for path, sign in found.items() if self._known.get(path) != sign}
        settled = sorted(
            path for path, sign in settling.items() if self._settling.get(path) == sign
        )
        for path in settled:
            self._known[path] = settling.pop(path)
        self._fresh.extend(settled)
        self._settling = settling
        for path in [path for path in self._known if path not in found]:
            del self._known[path]
        now = time.monotonic()
        self._next_look = now + max(_LOOK_SECONDS, _LOOK_SHARE * (now - started))

    def _load(self, path: Path) -> Frame | None:
        """Return the image at ``path``, or None if it went before its turn came."""
        from ..images import decode  # needs OpenCV, which reading settings must not

        captured_at, started = time.time(), time.perf_counter()
        try:
            data = path.read_bytes()
            image = decode(data, str(path))
        except FileNotFoundError:
            self._known.pop(path, None)
            return None
        except OSError as error:
            self._keeper.count(failed=1)
            raise FrameError(f"{path}: cannot be read: {error.strerror}") from None
        except FrameError:
            self._keeper.count(failed=1)
            raise
        self._keeper.count(frames=1)
        self._keeper.enter(STREAMING, "")
        capture_ms = (time.perf_counter() - started) * 1e3
        return Frame(self._keeper.status.frames, str(path), image, data, captured_at, capture_ms)

    def _nothing(self) -> NoFrameError:
        reason = _why_empty(self._pattern)
        if self._cycle and not self._known:
            self._keeper.enter(LOST, reason)
        return NoFrameError(f"{self._pattern}: {reason}")

    def _list(self) -> dict[Path, _Signature]:
        if Path(self._pattern).is_dir():
            paths = [path for path in Path(self._pattern).iterdir() if _is_image_name(path)]
        else:
            paths = [Path(name) for name in glob.glob(self._pattern, recursive=True)]  # noqa: PTH207 (absolute patterns)
        found = {}
        for path in paths:
            try:
                if path.is_file():
                    found[path] = (path.stat().st_mtime_ns, path.stat().st_size)
            except OSError:  # it went meanwhile, or may not be looked at
                continue
        return found


def _is_image_name(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _why_empty(pattern: str) -> str:
    if Path(pattern).is_dir():
        return "has no images in it (" + " ".join(IMAGE_SUFFIXES) + ")"
    if glob.has_magic(pattern):
        return "matches no file"
    return "is neither a folder, nor an image, nor a glob that matches one"
