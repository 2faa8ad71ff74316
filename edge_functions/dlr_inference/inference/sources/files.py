"""Images in files: a folder or glob, once, repeatedly, or as files appear."""

from __future__ import annotations

import glob
import os
import stat
import threading
import time
from collections import deque
from pathlib import Path

from ..errors import FrameError, escaped
from ..schema import ConfigurationError, Fault
from ..vision.geometry import Reduction, whole
from .frame import WAIT_SECONDS, Frame, FrameSource, NoFrameError
from .listing import Signature, closed_folder, is_folder, list_files, signature
from .specification import IMAGE_SUFFIXES, KEY, STATIC_SOURCE
from .status import LOST, STOPPED, STREAMING, SourceStatus, StatusKeeper

SAMPLE_IMAGES = Path(__file__).parent.parent.parent / "sample_images"
"""The photographs behind ``imageSource=static``."""

_LOOK_SECONDS = 0.2
_PAUSE_SECONDS = 0.05
_LOOK_SHARE = 20  # listing a large folder on slow storage takes at most 1/20 of the time
_MAX_BYTES = 128 << 20


class FileSource(FrameSource):
    """The images of a folder or glob, in the order of their names.

    With ``repeat``, it starts again after the last one. Files that appear or change are read next,
    before the round continues. With ``watch``, each file is read once, existing ones first; the
    folder may be empty. A new file is read when its size and time are the same in two checks,
    because it may still be being written.
    """

    def __init__(
        self,
        pattern: str,
        *,
        repeat: bool,
        watch: bool = False,
        reduction: Reduction = whole,
    ) -> None:
        """``reduction`` says at which fraction of its size a JPEG may be decoded."""
        self._reduction = reduction
        self._pattern = str(SAMPLE_IMAGES) if pattern == STATIC_SOURCE else pattern
        self._cycle = repeat and not watch
        self._watched = repeat or watch
        self._known = list_files(self._pattern)
        self._settling: dict[str, Signature] = {}
        self._fresh: deque[str] = deque()
        self._round = deque(sorted(self._known))
        self._waiting = set() if self._cycle else set(self._round)
        """What will be read anyway, as it is by then, and must not be read twice."""
        self._next_look = 0.0
        self._closed = threading.Event()
        self._keeper = StatusKeeper(pattern)
        if not self._known and not watch:
            raise ConfigurationError([Fault(KEY, pattern, _why_empty(self._pattern))])
        self._keeper.enter(STREAMING, "")

    @property
    def may_read_ahead(self) -> bool:
        """Whether there are several images: one alone may be rewritten before it is used."""
        return len(self._known) > 1

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
        """Like :meth:`read`, without waiting for new files."""
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
        """Return the one status, which is lost while a folder that had images is empty."""
        return (self._keeper.status,)

    def close(self) -> None:
        """End the source."""
        self._closed.set()
        self._keeper.enter(STOPPED)

    def _next(self) -> str | None:
        if self._watched and time.monotonic() >= self._next_look:
            self._look()
        if not self._fresh and not self._round and self._cycle:
            self._round.extend(sorted(self._known))
        queue = self._fresh or self._round
        if not queue:
            return None
        path = queue.popleft()
        self._waiting.discard(path)
        return path

    def _look(self) -> None:
        """Find new and changed files, and forget removed ones."""
        started = time.monotonic()
        found = list_files(self._pattern)
        settling = {path: sign for path, sign in found.items() if self._known.get(path) != sign}
        settled = sorted(
            path for path, sign in settling.items() if self._settling.get(path) == sign
        )
        for path in settled:
            self._known[path] = settling.pop(path)
        fresh = [path for path in settled if path not in self._waiting]
        self._fresh.extend(fresh)
        self._waiting.update(fresh)
        self._settling = settling
        for path in [path for path in self._known if path not in found]:
            del self._known[path]
        now = time.monotonic()
        self._next_look = now + max(_LOOK_SECONDS, _LOOK_SHARE * (now - started))

    def _load(self, path: str) -> Frame | None:
        """Return the image at ``path``, or None if it was removed before its turn."""
        from ..vision.images import decode_reduced  # needs OpenCV, which reading settings must not

        captured_at, started = time.time(), time.perf_counter()
        name = printable(path)
        try:
            data = _read(path)
            decoded = decode_reduced(data, name, self._reduction)
        except FileNotFoundError:
            self._known.pop(path, None)
            return None
        except OSError as error:
            self._keeper.count(failed=1)
            raise FrameError(f"{name}: cannot be read: {error.strerror or error}") from None
        except MemoryError:
            self._keeper.count(failed=1)
            raise FrameError(f"{name}: cannot be read: out of memory") from None
        except FrameError:
            if self._watched and signature(path) != self._known.get(path):
                raise NoFrameError(f"{name}: is being written") from None
            self._keeper.count(failed=1)
            raise
        self._keeper.count(frames=1)
        self._keeper.enter(STREAMING, "")
        capture_ms = (time.perf_counter() - started) * 1e3
        return Frame(
            self._keeper.status.frames,
            name,
            decoded.image,
            data,
            captured_at,
            capture_ms,
            source_size=decoded.size,
        )

    def _nothing(self) -> NoFrameError:
        reason = _why_empty(self._pattern)
        if not self._known and (self._cycle or not _may_be_empty(self._pattern)):
            self._keeper.enter(LOST, reason)
        elif not self._cycle:
            self._keeper.enter(STREAMING, "")
        return NoFrameError(f"{self._pattern}: {reason}")


def _read(path: str) -> bytes:
    """Return the content of a file, without waiting if a pipe has replaced it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is not a regular file")
        if about.st_size > _MAX_BYTES:
            raise OSError(f"it has {about.st_size} bytes, more than {_MAX_BYTES}")
        return file.read(about.st_size)  # it allocates as much as it may read


def printable(path: str) -> str:
    """Return ``path`` with line breaks, and bytes that are not text, escaped."""
    return escaped(os.fsencode(path).decode("utf-8", "backslashreplace"))


def _may_be_empty(pattern: str) -> bool:
    """Return whether files may appear at a place that is watched, though there is none."""
    if is_folder(pattern):
        return os.access(pattern, os.R_OK | os.X_OK)
    return glob.has_magic(pattern) and not closed_folder(pattern)


def _why_empty(pattern: str) -> str:
    closed = closed_folder(pattern)
    if closed:
        return f"{closed} may not be entered by this user; let the component's user read it"
    if is_folder(pattern):
        if not os.access(pattern, os.R_OK | os.X_OK):
            return "may not be read by this user; let the component's user read it"
        return "has no images in it (" + " ".join(IMAGE_SUFFIXES) + ")"
    if glob.has_magic(pattern):
        return "matches no file"
    return "is neither a folder, nor an image, nor a glob that matches one"
