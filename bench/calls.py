"""The loop of a measured process. It imports nothing but what every process has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter


def serve(call: Callable[[], object], load_seconds: float) -> None:
    """Call once and say so on stdout with the seconds of loading; then obey stdin.

    Each line of stdin is a number of calls. The answer is one line, with the seconds of each.
    """
    call()
    _answer([load_seconds])
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            started = perf_counter()
            call()
            seconds.append(perf_counter() - started)
        _answer(seconds)


def _answer(seconds: list[float]) -> None:
    sys.stdout.write(" ".join(map(repr, seconds)) + "\n")
    sys.stdout.flush()
