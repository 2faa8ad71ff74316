"""The status of a source: its state, since when and why, and what became of its frames."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any, Callable, Mapping

_log = logging.getLogger(__name__)

CONNECTING = "connecting"
"""Being opened. If it was lost, ``reason`` still says why."""

STREAMING = "streaming"
"""Frames are arriving."""

LOST = "lost"
"""No frames arrive, for ``reason``. It will be opened again."""

STOPPED = "stopped"
"""Ended or closed: there will be no more frames."""


@dataclass(frozen=True)
class SourceStatus:
    """One source at one moment. ``name`` and ``reason`` contain no credentials.

    ``since`` is the time of the last change of state, in seconds since the epoch. ``frames`` counts
    good frames, ``dropped`` those of them that a newer one replaced before they were requested.
    ``failed`` frames could not be used and are not among ``frames``. ``reopened`` counts attempts
    after the first, ``stuck`` the threads that hang in a driver at present.
    """

    name: str
    state: str = CONNECTING
    since: float = 0.0
    reason: str = ""
    frames: int = 0
    dropped: int = 0
    failed: int = 0
    reopened: int = 0
    stuck: int = 0

    def to_json(self) -> Mapping[str, Any]:
        """Return the entry of ``sources`` in a telemetry message."""
        since = datetime.fromtimestamp(self.since, timezone.utc).isoformat(timespec="seconds")
        return {**asdict(self), "since": since}


class StatusKeeper:
    """The status of one source, changed and read from any thread.

    A loss is logged once with its cause, however many attempts it takes to recover.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.time) -> None:
        """``name`` must be redacted already."""
        self._clock = clock
        self._lock = threading.Lock()
        self._status = SourceStatus(name, since=clock())
        self._logged = ""

    @property
    def status(self) -> SourceStatus:
        """The present status."""
        return self._status

    def enter(self, state: str, reason: str | None = None) -> None:
        """Change the state, unless the source is stopped; without ``reason`` keep the last one."""
        with self._lock:
            before = self._status
            if before.state == STOPPED:
                return
            why = before.reason if reason is None else reason
            since = before.since if before.state == state else self._clock()
            self._status = replace(before, state=state, reason=why, since=since)
            known = self._logged == why
            if state in (LOST, STREAMING):
                self._logged = why
        if state == LOST and not known:
            _log.warning("%s: lost: %s; trying again", before.name, why)
        elif state == STREAMING and before.state != STREAMING:
            _log.info("%s: streaming", before.name)

    def count(
        self, *, frames: int = 0, dropped: int = 0, failed: int = 0, reopened: int = 0
    ) -> None:
        """Add to the counters."""
        with self._lock:
            now = self._status
            self._status = replace(
                now,
                frames=now.frames + frames,
                dropped=now.dropped + dropped,
                failed=now.failed + failed,
                reopened=now.reopened + reopened,
            )

    def set_stuck(self, threads: int) -> None:
        """Set how many threads hang at present."""
        with self._lock:
            self._status = replace(self._status, stuck=threads)
