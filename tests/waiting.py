"""Waiting in tests for what another thread or process does."""

from __future__ import annotations

import time
from typing import Callable, TypeVar  # noqa: UP035 - the device's tests also run on Python 3.8

SECONDS = 60.0
T = TypeVar("T")


def eventually(check: Callable[[], T], seconds: float = SECONDS) -> T:
    """Return the first true result of ``check``; fail if there is none in time."""
    end = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < end, f"it did not happen within {seconds:g} s"
        time.sleep(0.01)
    return result
