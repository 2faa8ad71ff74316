"""The frame, and the interface of every source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import FrameError
from .status import SourceStatus

WAIT_SECONDS = 0.5
"""How long :meth:`FrameSource.read` waits for a frame at most."""


class NoFrameError(FrameError):
    """There is no frame at present, but nothing failed or was lost. Read again at once."""


@dataclass(frozen=True)
class Frame:
    """One image and where it came from.

    ``image`` is uint8 of shape (height, width, 3), blue-green-red. It may have been decoded at a
    fraction of the source's size, which then is ``source_size``. ``data`` is the encoded image if
    the source delivered one. ``captured_at`` is in seconds since the epoch, ``capture_ms`` the
    time that reading and decoding took. ``source`` contains no credentials. ``origin``
    distinguishes the sources of one core; it is empty if there is only one.
    """

    id: int
    source: str
    image: Any
    data: bytes | None
    captured_at: float
    capture_ms: float
    origin: str = ""
    source_size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the source's image in pixels."""
        return self.source_size or (self.image.shape[1], self.image.shape[0])

    def encoded(self) -> bytes:
        """Return the image as a file: the source's own encoding if there is one, otherwise JPEG.

        Raises:
            FrameError: if it cannot be encoded.
        """
        if self.data is not None:
            return self.data
        from ..vision.images import encode_jpeg  # needs OpenCV, which reading settings must not

        return encode_jpeg(self.image, self.source)


class FrameSource(ABC):
    """Something that yields frames, one at a time, until it ends."""

    @property
    def may_read_ahead(self) -> bool:
        """Whether a frame that is read long before it is used is as good as one read then."""
        return False

    @property
    def fetches_on_request(self) -> bool:
        """Whether :meth:`poll` lets it fetch a frame, which then waits until it is polled again."""
        return False

    @abstractmethod
    def read(self) -> Frame | None:
        """Return the next frame, or None when there will be no more.

        Waits at most :data:`WAIT_SECONDS` for one, so that a caller can check whether to stop.

        Raises:
            NoFrameError: if none came in that time.
            FrameError: if this frame cannot be used; the next may be good.
        """

    def poll(self) -> Frame | None:
        """Like :meth:`read`, without waiting."""
        return self.read()

    def call_on_frame(self, wake: Callable[[], None]) -> None:
        """Call ``wake``, from any thread, when a frame arrives that :meth:`poll` did not find."""
        return

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source behind this one."""
        return ()

    def close(self) -> None:
        """Release what the source holds, within 2 s. Reading then returns None."""
        return
