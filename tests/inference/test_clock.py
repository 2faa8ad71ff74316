"""Waits while the clock is set back, as it is after a start with a clock that was ahead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from tests.soak.clock import Clock

WAITER = """
import threading, time
from inference.clock import watch_clock
from inference.stopping import StopSignal

def wait(how):
    began = time.monotonic()
    how(2.0)
    seconds.append(round(time.monotonic() - began))

stop, seconds = StopSignal(), []
watch_clock()
never = threading.Event()
changed = threading.Condition()
changed.acquire()
others = [
    threading.Thread(target=wait, args=(how,), daemon=True)
    for how in (never.wait, lambda most: threading.Thread.join(threading.main_thread(), most))
]
for other in others:
    other.start()
print("waits", flush=True)
wait(changed.wait)
for other in others:
    other.join()
print(seconds, stop.received.is_set(), flush=True)
"""


def test_waits_end_in_time_though_the_clock_is_set_back(tmp_path: Path) -> None:
    try:
        clock = Clock(tmp_path)
    except OSError as error:
        pytest.skip(str(error))
    with subprocess.Popen(
        [sys.executable, "-c", WAITER],
        cwd=CODE_FOLDER,
        env={**os.environ, **clock.environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        clock.jump(-3600)
        try:
            said, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert said == "[2, 2, 2] False\n"
