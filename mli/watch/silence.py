"""Which cores have stopped sending, by how often each of them sends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .display import UNKNOWN_CORE

_SHORTEST_SECONDS, _LONGEST_SECONDS = 15.0, 150.0
"""A core that predicts once an hour still sends telemetry every 60 s."""
_GAPS = 10


def silent_after(gaps: Iterable[float]) -> float:
    """Return after which pause in seconds a core is silent, whose last pauses were ``gaps``.

    Of a core that was heard once, nobody knows how often it sends.
    """
    longest = max(gaps, default=_LONGEST_SECONDS)
    return min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, 2 * longest))


class Silences:
    """Says that a core is silent once it is, and again each time its silence has doubled."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._gaps: dict[str, deque[float]] = {}
        self._due: dict[str, float] = {}
        """The length of the silence that is worth the next line."""

    def heard(self, core: str, now: float) -> None:
        """Note a message of ``core`` at ``now`` in seconds; one that names no core says nothing."""
        if core == UNKNOWN_CORE:
            return
        gaps = self._gaps.setdefault(core, deque(maxlen=_GAPS))
        if core in self._last:
            gaps.append(now - self._last[core])
        self._last[core] = now
        self._due[core] = silent_after(gaps)

    def disconnected(self, now: float) -> None:
        """Note that nothing can be heard at present: silence is counted from now on."""
        self._last = dict.fromkeys(self._last, now)

    def news(self, now: float) -> list[tuple[str, float]]:
        """Return the cores to tell about, with the seconds since they were last heard."""
        found = []
        for core, last in self._last.items():
            seconds = now - last
            if seconds >= self._due[core]:
                self._due[core] = 2 * seconds
                found.append((core, seconds))
        return found
