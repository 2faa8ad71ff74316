"""One attempt to open a source and read its frames, on a thread of its own."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from ...errors import FrameError, InferenceError
from ...redaction import one_line

READ_SECONDS = 5.0
"""How long a source may take to its next picture, while it sends something else or nothing."""

_FAILURES_IN_A_ROW = 100
_FRAME_RATES = (0.1, 240.0)
_USUAL_FRAME_RATE = 25.0


@dataclass(frozen=True)
class Still:
    """One picture as a capture returns it: ``image``, ``data`` and ``size`` as in a frame."""

    image: Any
    data: bytes | None
    milliseconds: float
    size: tuple[int, int] | None = None


class EndOfVideo(InferenceError):
    """The last frame of a source that ends was read."""


class AccessRefusedError(InferenceError, OSError):
    """The server requires other credentials. Asking again soon may lock the account."""


class SmearedFrameError(FrameError):
    """This picture builds on a damaged one; so will the next, and that is no further damage."""


class Capture(Protocol):
    """An open camera, stream or file, used by one thread only.

    Both steps raise FrameError if this picture is damaged but the next may be good, and OSError
    with the reason if the source is lost.
    """

    frame_rate: float
    """Frames per second of a video file; 0 if unknown."""

    @property
    def lead_seconds(self) -> float | None:
        """The seconds until another picture can be retrieved, from when one is grabbed.

        So this one is to be retrieved that long before one is requested. None if it cannot be.
        """

    def grab(self) -> None:
        """Wait for the next picture.

        Raises:
            EndOfVideo: after the last one of a file.
        """

    def retrieve(self) -> Still | None:
        """Decode the grabbed picture, or return None if it is the same as the last."""

    def close(self) -> None:
        """Release the device or connection."""


Opener = Callable[[], Capture]
"""Opens a capture, or raises OSError with the reason. It may hang forever."""


class Attempt:
    """Opens a capture and delivers its frames until it ends, is lost, or is abandoned.

    A thread that hangs in a driver cannot be stopped, so it is abandoned: if it ever returns, it
    delivers nothing, closes its capture and ends.
    """

    def __init__(
        self,
        opener: Opener,
        take: Callable[[Attempt, Still | None], None],
        fail: Callable[[], None],
        *,
        name: str,
        is_wanted: Callable[[float], bool] = lambda lead_seconds: True,
        paced: bool = False,
        wanted: threading.Event | None = None,
    ) -> None:
        """Wait for ``wanted``, if given, before each frame; ``paced`` keeps a file's frame rate.

        While ``is_wanted`` returns False for a picture's lead, pictures after the first are not
        decoded: ``take`` gets None.
        """
        self.reason = ""
        self.refused = False
        self.ended = False
        self.frames = 0
        self.streaming_since: float | None = None
        self.done = threading.Event()
        self._opener = opener
        self._take = take
        self._fail = fail
        self._is_wanted = is_wanted
        self._paced = paced
        self._wanted = wanted
        self._taken = False
        self._busy: tuple[str, float] | None = None
        """What may hang now, and since when; replaced as a whole, since another thread reads it."""
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._busy = ("opening it", time.monotonic())
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread.is_alive()

    def hangs(self, open_seconds: float, read_seconds: float) -> str:
        """Return what the thread has been doing for longer than allowed, or an empty string."""
        busy = self._busy
        if busy is None:
            return ""
        what, since = busy
        limit = open_seconds if self.streaming_since is None else read_seconds
        seconds = time.monotonic() - since
        return f"{what} has hung for {seconds:.0f} s" if seconds > limit else ""

    def abandon(self) -> None:
        """Accept no more frames, and let the thread end as soon as it can."""
        self._abandoned.set()
        if self._wanted is not None:
            self._wanted.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        try:
            capture = self._opener()
            try:
                self._read(capture)
            finally:
                self._busy = ("closing it", time.monotonic())
                capture.close()
        except EndOfVideo:
            self.ended = True
        except OSError as error:
            self.refused = isinstance(error, AccessRefusedError)
            self.reason = one_line(error.strerror or str(error))
        except Exception as error:  # a driver's binding may raise anything
            self.reason = one_line(f"{type(error).__name__}: {error}")
        finally:
            self._busy = None
            self.done.set()

    def _read(self, capture: Capture) -> None:
        failures = 0
        due = time.monotonic()
        lowest, highest = _FRAME_RATES
        # For a file with an irregular frame rate, FFmpeg reports the rate of its clock.
        rate = capture.frame_rate if lowest <= capture.frame_rate <= highest else _USUAL_FRAME_RATE
        while not self._abandoned.is_set():
            if self._paced:
                due = max(due + 1 / rate, time.monotonic() - 1)
                self._busy = None
                self._abandoned.wait(due - time.monotonic())
            if self._wanted is not None:
                self._busy = None
                self._wanted.wait()
            if self._abandoned.is_set():
                return
            self._busy = ("reading a frame", time.monotonic())
            try:
                capture.grab()
                lead = capture.lead_seconds
                is_wanted = lead is not None and (not self._taken or self._is_wanted(lead))
                still = capture.retrieve() if is_wanted else None
                if still is not None:
                    check_image(still.image)
            except (FrameError, MemoryError) as error:
                failures += not isinstance(error, SmearedFrameError)
                if self._abandoned.is_set():
                    return
                self._fail()
                if failures >= _FAILURES_IN_A_ROW:
                    reason = str(error) or "out of memory"
                    raise OSError(
                        f"{failures} damaged frames in a row; the last {reason}"
                    ) from None
                continue
            if is_wanted:
                failures = 0
            if (still is not None or not is_wanted) and not self._abandoned.is_set():
                self.frames += 1
                self._taken = self._taken or still is not None
                self.streaming_since = self.streaming_since or time.monotonic()
                self._take(self, still)


def check_image(image: Any) -> None:
    """Refuse anything but an 8-bit picture with three channels.

    Raises:
        FrameError: saying what it is instead.
    """
    shape = getattr(image, "shape", None)
    kind = str(getattr(image, "dtype", type(image).__name__))
    if shape is None or kind != "uint8" or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise FrameError(f"is {kind} of shape {shape} and not an 8-bit colour picture")


def no_picture_for(seconds: float) -> str:
    """Return the reason for which a source is lost that has sent no picture for so long."""
    return f"no frame that can be decoded came for {seconds:.0f} s"
