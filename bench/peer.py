"""A measured process, and rows of several of them that are measured in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_BYTECODE = {"PYTHONPYCACHEPREFIX": str(Path(__file__).parent.parent / "build/bench/bytecode")}
"""A core compiles at install: here the first start does, which is not measured."""

_PAIRS_OF_A_PROCESS = 2

Command = Sequence[str]


def module(name: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of this package in a process of its own."""
    return [sys.executable, "-m", f"bench.{name}", *map(str, arguments)]


class Peer:
    """A process that ran its call once, and then runs it as often as it is asked to.

    It has ``start_seconds``, from its start to the end of its first call, and ``load_seconds``, in
    which it loaded its model.
    """

    def __init__(self, command: Command, threads: int) -> None:
        """Start it, and wait until it has run its call once.

        Raises:
            RuntimeError: if it fails.
        """
        environment = {**os.environ, **_BYTECODE, "TVM_NUM_THREADS": str(threads)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._command = command
        (self.load_seconds,) = self._answer()
        self.start_seconds = time.perf_counter() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def seconds(self, calls: int) -> list[float]:
        """Run the call ``calls`` times; return the seconds of each."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        return self._answer()

    def resident_bytes(self) -> float:
        """Return its resident memory."""
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return float(fields[1]) * _PAGE

    def processor_seconds(self) -> float:
        """Return the processor time that it has used so far, of all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _answer(self) -> list[float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"status {self._process.wait()}: {' '.join(self._command)}")
        return [float(word) for word in line.split()]


def in_turns(
    first: Command, second: Command, *, threads: int, pairs: int, block: int = 10
) -> tuple[list[tuple[float, float]], list[float]]:
    """Time calls of two processes in turns; return the mean seconds of ``pairs`` blocks each.

    Each pair runs in the opposite order of the one before, so that drift favours neither. Both
    processes start again after a few pairs: two runs of the same model in two processes can differ
    by more than anything that is compared here, depending on where its weights lie in memory.
    Second, the seconds of each call of the first process are returned.
    """
    timed: list[tuple[float, float]] = []
    every: list[float] = []
    while len(timed) < pairs:
        with ExitStack() as stack:
            peers = [stack.enter_context(Peer(command, threads)) for command in (first, second)]
            for peer in peers:
                peer.seconds(block)  # the first calls are slower
            for _ in range(min(_PAIRS_OF_A_PROCESS, pairs - len(timed))):
                means = [0.0, 0.0]
                for which in (0, 1) if len(timed) % 2 == 0 else (1, 0):
                    seconds = peers[which].seconds(block)
                    means[which] = statistics.fmean(seconds)
                    every += seconds if which == 0 else []
                timed.append((means[0], means[1]))
    return timed, every


def of_starts(
    first: Command,
    second: Command,
    figure: Callable[[Peer], float],
    *,
    threads: int,
    pairs: int,
) -> list[tuple[float, float]]:
    """Start both commands in turns, ``pairs`` times; return what ``figure`` reads off each."""
    return [(_read(first, figure, threads), _read(second, figure, threads)) for _ in range(pairs)]


def _read(command: Command, figure: Callable[[Peer], float], threads: int) -> float:
    with Peer(command, threads) as peer:
        return figure(peer)


def processor_shares(peers: Sequence[Peer], seconds: float) -> list[float]:
    """Let them run for ``seconds`` without being asked; return their shares of one processor."""
    before, started = [peer.processor_seconds() for peer in peers], time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - started
    return [
        (peer.processor_seconds() - then) / passed for peer, then in zip(peers, before, strict=True)
    ]


def start_seconds(peer: Peer) -> float:
    """Return the seconds from its start to the end of its first call."""
    return peer.start_seconds


def load_seconds(peer: Peer) -> float:
    """Return the seconds in which it loaded its model."""
    return peer.load_seconds


def steady_bytes(peer: Peer) -> float:
    """Return its resident memory after twenty calls."""
    peer.seconds(20)
    return peer.resident_bytes()
