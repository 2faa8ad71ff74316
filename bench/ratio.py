"""Ratios and their spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Ratio:
    """Ratios of pairs: their median, smallest and largest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"

    @property
    def inverse(self) -> Ratio:
        """The ratios the other way round, such as those of rates instead of times."""
        return Ratio(1 / self.median, 1 / self.high, 1 / self.low)


def ratio(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """Return the ratio first / second of interleaved ``pairs``."""
    return spread([first / second for first, second in pairs])


def spread(values: Sequence[float]) -> Ratio:
    """Return the median, smallest and largest of ``values``."""
    return Ratio(statistics.median(values), min(values), max(values))


def interleaved(
    first: Callable[[], object], second: Callable[[], object], *, pairs: int, block: int
) -> list[tuple[float, float]]:
    """Time both alternately, ``block`` calls each; return seconds per call, ``pairs`` times.

    Each pair runs in the opposite order of the one before, so that drift favours neither.
    """
    timed: list[tuple[float, float]] = []
    for index in range(pairs):
        order = (first, second) if index % 2 == 0 else (second, first)
        seconds = {}
        for function in order:
            started = perf_counter()
            for _ in range(block):
                function()
            seconds[function] = (perf_counter() - started) / block
        timed.append((seconds[first], seconds[second]))
    return timed
