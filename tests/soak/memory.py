"""Resident memory of one process over time."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

GROWTH = 1.05
"""How much larger memory may be at the end than after the first minute."""

WARM_SECONDS = 60.0
_READINGS = 5
_GAP_SECONDS = 0.2


@dataclass
class Memory:
    """Megabytes of a process over time, in seconds since this object was created."""

    pid: int
    began: float = field(default_factory=time.monotonic)
    readings: list[tuple[float, float]] = field(default_factory=list)

    def note(self) -> None:
        """Read it: the smallest of a few readings in a second, since frames in progress add to it.

        Raises:
            OSError: if the process has ended.
        """
        sizes = []
        for _ in range(_READINGS):
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 1e6)
            time.sleep(_GAP_SECONDS)
        self.readings.append((time.monotonic() - self.began, min(sizes)))

    def report(self) -> tuple[list[str], list[str]]:
        """Return lines about it, and what is wrong with it."""
        warm = [reading for reading in self.readings if reading[0] >= WARM_SECONDS]
        lines = ["megabytes by time: " + " ".join(f"{size:.0f}" for _, size in self.readings)]
        if len(warm) < 2:
            return [*lines, "memory: too short a run to tell"], []
        (first_at, first), (last_at, last) = warm[0], warm[-1]
        slope = (last - first) / max(1.0, last_at - first_at) * 3600
        lines.append(
            f"memory: {first:.1f} MB after {first_at:.0f} s, {last:.1f} MB after {last_at:.0f} s "
            f"({(last / first - 1) * 100:+.1f} %, slope {slope:+.1f} MB an hour)"
        )
        wrong = [f"memory grew from {first:.1f} to {last:.1f} MB"] if last > first * GROWTH else []
        return lines, wrong
