"""What is done for frames beside the model: the next one is prepared, the last one is finished."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Tuple

from ..sources import Frame, FrameSource
from ..vision.geometry import Fit

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Preprocess = Callable[..., Tuple[Any, Fit]]
"""Takes an image, the size of its source, and ``keep_last`` if its source may be read ahead."""


@dataclass(frozen=True)
class Prepared:
    """A frame and the tensor that a model takes of it; ``milliseconds`` are those of the second."""

    frame: Frame
    tensor: Any
    fit: Fit
    milliseconds: float

    @property
    def seconds(self) -> float:
        """How long reading, decoding and preprocessing took."""
        return (self.frame.capture_ms + self.milliseconds) / 1e3


class Preparation:
    """Prepares one frame after another, and finishes them; used by one thread only.

    If a source may be read ahead, both happen on one other thread while the model runs.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._begun: tuple[FrameSource, Preprocess, Future[Prepared | None]] | None = None
        self._finishing: Future[None] | None = None

    def next(self, source: FrameSource, preprocess: Preprocess) -> Prepared | None:
        """Return the next frame of ``source``, or None when there will be no more.

        Raises:
            NoFrameError: if none came in time.
            FrameError, OSError: if this one cannot be used.
        """
        begun, self._begun = self._begun, None
        if begun is None:
            return _prepared(source.read(), preprocess)
        of_source, with_preprocess, read = begun
        if of_source is not source:
            read.exception()  # wait: it may still use ``preprocess``
            return _prepared(source.read(), preprocess)
        found = read.result()
        if found is None or with_preprocess is preprocess:
            return found
        return _prepared(found.frame, preprocess)

    def begin(self, source: FrameSource, preprocess: Preprocess) -> None:
        """Begin with the next frame on another thread, if ``source`` may be read ahead.

        The tensor of the present one stays valid until the call after this.
        """
        if not source.may_read_ahead:
            return
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor  # no start has to wait for it

            self._thread = ThreadPoolExecutor(1, "prepare")
        keeping = partial(preprocess, keep_last=True)
        read = self._thread.submit(lambda: _prepared(source.read(), keeping))
        self._begun = (source, preprocess, read)

    def finish(self, work: Callable[[], None]) -> None:
        """Do the last ``work`` for a frame: on the other thread if that is ready for it.

        If it raises an exception there, the next call of this method or of :meth:`settle` does.
        """
        self.settle()
        if self._thread is not None and self._begun is not None and self._begun[2].done():
            self._finishing = self._thread.submit(work)
        else:
            work()

    def settle(self) -> None:
        """Wait until the frame that was given to :meth:`finish` is finished."""
        finishing, self._finishing = self._finishing, None
        if finishing is not None:
            finishing.result()


def _prepared(frame: Frame | None, preprocess: Preprocess) -> Prepared | None:
    if frame is None:
        return None
    started = time.perf_counter()
    tensor, fit = preprocess(frame.image, frame.size)
    return Prepared(frame, tensor, fit, (time.perf_counter() - started) * 1e3)
