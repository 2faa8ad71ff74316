"""Several sources whose frames one model predicts in turn."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Callable, Sequence

from .frame import WAIT_SECONDS, Frame, FrameSource, NoFrameError
from .status import SourceStatus

_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 1.0
"""How long one source may fetch a frame before the next one is asked for one.

If all were asked at once, all but one would have an old frame when it is their turn.
"""
_CLOSE_SECONDS = 1.9


class SeveralSources(FrameSource):
    """Frames of several sources, round robin among those that have a new one.

    A source without a new frame only loses its turn. Frames are renumbered, so that no two of a
    core have the same id. It ends when all sources have ended.
    """

    def __init__(self, sources: Sequence[FrameSource]) -> None:
        """Take over ``sources``; closing this one closes them."""
        self._all = tuple(sources)
        self._turns = list(sources)
        self._frames = 0
        self._fetching: tuple[FrameSource, float] | None = None
        """The source that was asked for a frame, and since when."""
        self._news = threading.Event()
        for source in sources:
            source.call_on_frame(self._news.set)

    @property
    def may_read_ahead(self) -> bool:
        """Whether all sources may be."""
        return all(source.may_read_ahead for source in self._all)

    def read(self) -> Frame | None:
        """Return a frame of the next source, or None when all have ended."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            self._news.clear()
            try:
                return self.poll()
            except NoFrameError:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
            self._news.wait(min(left, _LOOK_SECONDS))

    def poll(self) -> Frame | None:
        """Like :meth:`read`, without waiting."""
        reasons = []
        for source in list(self._turns):
            if source.fetches_on_request and self._another_is_fetching(source):
                continue
            self._turns.remove(source)
            self._turns.append(source)
            try:
                frame = source.poll()
            except NoFrameError as error:
                reasons.append(str(error))
                self._note_fetching(source)
                continue
            if self._fetching is not None and self._fetching[0] is source:
                self._fetching = None
            if frame is not None:
                self._frames += 1
                return replace(frame, id=self._frames, origin=str(self._all.index(source)))
            self._turns.remove(source)
        if self._turns:
            raise NoFrameError("; ".join(reasons))
        return None

    def _another_is_fetching(self, source: FrameSource) -> bool:
        if self._fetching is None:
            return False
        asked, since = self._fetching
        return asked is not source and time.monotonic() - since < _ANSWER_SECONDS

    def _note_fetching(self, source: FrameSource) -> None:
        """Wait for a source that fetches a frame, unless something is wrong with it."""
        is_new = self._fetching is None or self._fetching[0] is not source
        is_well = not any(status.reason for status in source.statuses())
        if source.fetches_on_request and is_new and is_well:
            self._fetching = (source, time.monotonic())

    def call_on_frame(self, wake: Callable[[], None]) -> None:
        """Pass ``wake`` on to each source."""

        def both() -> None:
            self._news.set()
            wake()

        for source in self._all:
            source.call_on_frame(both)

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return the status of each source, in the order of the configuration."""
        return tuple(status for source in self._all for status in source.statuses())

    def close(self) -> None:
        """Close all sources in parallel, because each may take a while."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        threads = [threading.Thread(target=source.close, daemon=True) for source in self._all]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
