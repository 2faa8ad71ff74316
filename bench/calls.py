"""The loop of a measured process. It imports nothing but what every process has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter


def serve(
    call: Callable[[], object],
    load_seconds: float,
    timed: Callable[[int], list[float]] | None = None,
) -> None:
    """Call once and say so on stdout with the seconds of loading; then obey stdin.

    Each line of stdin is a number of calls. The answer is one line, with the seconds of each, which
    ``timed`` returns if the calls overlap.
    """

    def one_by_one(calls: int) -> list[float]:
        seconds = []
        for _ in range(calls):
            started = perf_counter()
            call()
            seconds.append(perf_counter() - started)
        return seconds

    call()
    _answer([load_seconds])
    for line in sys.stdin:
        _answer((timed or one_by_one)(int(line)))


def _answer(seconds: list[float]) -> None:
    sys.stdout.write(" ".join(map(repr, seconds)) + "\n")
    sys.stdout.flush()
