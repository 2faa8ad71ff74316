"""Whole processes: the time from start to first prediction, and resident memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from inference.model.profile import load_profile
from models import store

_STEADY_LINES = 60


def ours(name: str, image: Path, frames: int) -> list[str]:
    """Return the command that predicts ``image`` ``frames`` times, one line per frame."""
    script = str(Path(__file__).with_name("predict.py"))
    return [sys.executable, script, str(store.unpacked(name)), name, str(image), str(frames)]


def bare(name: str, frames: int, *, opencv: bool = False) -> list[str]:
    """Return the command that runs the bare runtime on a ready input, one line per run.

    With ``opencv`` it also imports OpenCV, as every program that reads images must.
    """
    spec = load_profile(name).input
    shape = ",".join(str(extent) for extent in spec.shape)
    script = str(Path(__file__).with_name("bare.py"))
    command = [sys.executable, script, str(store.unpacked(name)), spec.name, shape, str(frames)]
    return [*command, "cv2"] if opencv else command


def seconds_to_first_line(command: Sequence[str], threads: int) -> float:
    """Return the seconds from the start of ``command`` to its first line."""
    started = time.perf_counter()
    with _started(command, threads) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        process.stdout.read()
    if not line or process.returncode:
        raise RuntimeError(f"failed with status {process.returncode}: {' '.join(command)}")
    return seconds


def resident_bytes(command: Sequence[str], threads: int) -> float:
    """Return the resident memory of ``command`` once it has printed its first lines."""
    with _started(command, threads) as process:
        assert process.stdout is not None
        for _ in range(_STEADY_LINES):
            process.stdout.readline()
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        process.kill()
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _started(command: Sequence[str], threads: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TVM_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
