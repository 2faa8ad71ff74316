"""A source that is captured on its own thread, and reopened when it is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Callable

from ...backoff import Backoff
from ..frame import WAIT_SECONDS, Frame, FrameSource, NoFrameError
from ..status import CONNECTING, LOST, STOPPED, STREAMING, SourceStatus, StatusKeeper
from .attempt import Attempt, Opener, Still
from .demand import Demand

_CLOSE_SECONDS = 1.5


@dataclass(frozen=True)
class Limits:
    """Seconds after which opening or reading counts as hanging, and how many threads may hang.

    Back-off starts again after frames have come for ``steady_seconds``. After credentials are
    refused, it is at least ``refused_seconds``: cameras lock accounts after a few wrong passwords.
    """

    open_seconds: float = 9.0
    read_seconds: float = 7.0
    look_seconds: float = 0.25
    steady_seconds: float = 5.0
    refused_seconds: float = 60.0
    stuck_threads: int = 4


@dataclass(frozen=True)
class CapturePolicy:
    """How frames are taken from a source.

    ``live``: a newer frame replaces one that was not requested in time, and frames that no request
    is expected for are not decoded. Otherwise each frame is read on request, and none is dropped.
    ``paced``: at the file's own frame rate. ``repeat``: a video starts again after its end.
    ``retry``: a lost source is opened again.
    """

    live: bool = True
    paced: bool = False
    repeat: bool = False
    retry: bool = True


class CaptureSource(FrameSource):
    """Frames of a camera, stream or video.

    One thread reads the frames, another watches it: a capture that ends, fails or hangs is opened
    again after a back-off that doubles up to ``backoff``'s cap. A thread that hangs is abandoned.
    While ``limits.stuck_threads`` threads hang, no new one is started.
    """

    def __init__(
        self,
        name: str,
        opener: Opener,
        *,
        policy: CapturePolicy = CapturePolicy(),
        demand: Demand | None = None,
        limits: Limits = Limits(),
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``name`` must be redacted. ``clock`` gives the time of frames and states.

        ``demand`` is given if ``opener`` looks at it too.
        """
        self._opener = opener
        self._policy = policy
        self._limits = limits
        self._backoff = backoff or Backoff(first=0.5, cap=5.0)
        self._clock = clock
        self._keeper = StatusKeeper(name, clock=clock)
        self._name = name
        self._wake: Callable[[], None] = lambda: None
        self._wanted = None if policy.live else threading.Event()
        self._demand = demand or Demand()
        self._changed = threading.Condition()
        self._attempt: Attempt | None = None
        self._waiting: Frame | None = None
        self._stuck: list[Attempt] = []
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._run, name=f"watch {name}", daemon=True)
        self._supervisor.start()

    @property
    def fetches_on_request(self) -> bool:
        """Whether it is not live."""
        return self._wanted is not None

    def read(self) -> Frame | None:
        """Return the newest frame that has not been returned yet, or None after the end."""
        return self._next(WAIT_SECONDS)

    def poll(self) -> Frame | None:
        """Like :meth:`read`, without waiting."""
        return self._next(0)

    def call_on_frame(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each frame and at the end."""
        self._wake = wake

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return the one status."""
        return (self._keeper.status,)

    def close(self) -> None:
        """Stop both threads; one that hangs in a driver is abandoned."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        self._stopping.set()
        attempt = self._attempt
        if attempt is not None:
            attempt.abandon()
        self._supervisor.join(_CLOSE_SECONDS)
        attempt = self._attempt
        if attempt is not None:
            attempt.join(deadline - time.monotonic())
        self._end("closed", keep_frame=False)

    def _next(self, seconds: float) -> Frame | None:
        with self._changed:
            self._demand.ask()
            if self._waiting is None and self._wanted is not None:
                self._wanted.set()
            self._changed.wait_for(self._has_news, seconds)
            frame, self._waiting = self._waiting, None
            if frame is not None:
                self._demand.give()
        if frame is None and not self._has_ended():
            status = self._keeper.status
            raise NoFrameError(f"{status.name}: {status.state}: {status.reason}")
        return frame

    def _has_news(self) -> bool:
        return self._waiting is not None or self._has_ended()

    def _has_ended(self) -> bool:
        return self._keeper.status.state == STOPPED

    def _is_wanted(self, lead_seconds: float) -> bool:
        if not self._policy.live or self._waiting is not None:
            return True
        return self._demand.is_near(lead_seconds)

    def _run(self) -> None:
        again = False
        while not self._stopping.is_set():
            if self._too_many_stuck():
                self._stopping.wait(self._limits.look_seconds)
                continue
            if not again:
                self._keeper.enter(CONNECTING)
            attempt = Attempt(
                self._opener,
                self._take,
                lambda: self._keeper.count(failed=1),
                name=self._name,
                is_wanted=self._is_wanted,
                paced=self._policy.paced,
                wanted=self._wanted,
            )
            self._attempt = attempt
            attempt.start()
            reason = self._watch(attempt)
            if self._stopping.is_set():
                attempt.abandon()
                return
            again = attempt.frames > 0 and self._policy.repeat
            if attempt.ended and (again or not self._policy.repeat):
                if not again:
                    self._end("ended", keep_frame=True)
                    return
                continue
            again = False
            self._lose(attempt, reason)
            if not self._policy.retry:
                self._end(reason, keep_frame=True)
                return

    def _watch(self, attempt: Attempt) -> str:
        """Wait until ``attempt`` ends, or hangs and is abandoned; return the reason."""
        while not attempt.done.wait(self._limits.look_seconds):
            if self._stopping.is_set():
                return ""
            if self._stuck:
                self._count_stuck()
            hanging = attempt.hangs(self._limits.open_seconds, self._limits.read_seconds)
            if hanging:
                attempt.abandon()
                self._stuck.append(attempt)
                self._count_stuck()
                return hanging
        return attempt.reason or "the video has no frames"

    def _lose(self, attempt: Attempt, reason: str) -> None:
        """Report the loss, and wait before the next attempt."""
        with self._changed:
            if self._waiting is not None and self._policy.live:
                self._waiting = None
                self._keeper.count(dropped=1)
        self._keeper.enter(LOST, reason)
        since = attempt.streaming_since
        if since is not None and time.monotonic() - since >= self._limits.steady_seconds:
            self._backoff.reset()
        pause = max(self._backoff.next(), self._limits.refused_seconds if attempt.refused else 0)
        if self._policy.retry and not self._stopping.wait(pause):
            self._keeper.count(reopened=1)

    def _too_many_stuck(self) -> bool:
        if self._count_stuck() < self._limits.stuck_threads:
            return False
        self._keeper.enter(
            LOST, f"{len(self._stuck)} threads hang in its driver; it is reopened when one returns"
        )
        return True

    def _count_stuck(self) -> int:
        self._stuck = [attempt for attempt in self._stuck if attempt.alive]
        self._keeper.set_stuck(len(self._stuck))
        return len(self._stuck)

    def _take(self, attempt: Attempt, still: Still | None) -> None:
        with self._changed:
            if attempt is not self._attempt or self._stopping.is_set():
                return
            if still is None:
                self._keeper.count(frames=1, dropped=1)
                return
            self._keeper.count(frames=1, dropped=0 if self._waiting is None else 1)
            self._waiting = Frame(
                self._keeper.status.frames,
                self._name,
                still.image,
                still.data,
                self._clock() - still.milliseconds / 1e3,
                still.milliseconds,
                source_size=still.size,
            )
            if self._wanted is not None:
                self._wanted.clear()
            self._changed.notify_all()
        self._keeper.enter(STREAMING, "")
        self._wake()

    def _end(self, reason: str, *, keep_frame: bool) -> None:
        with self._changed:
            if self._waiting is not None and not keep_frame:
                self._waiting = None
                self._keeper.count(dropped=1)
            self._keeper.enter(STOPPED, reason)
            self._changed.notify_all()
        self._wake()
