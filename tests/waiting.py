"""Time in tests: waiting for what another thread or process does, and clocks that need no time."""

from __future__ import annotations

import time
from types import ModuleType, SimpleNamespace
from typing import Any, Callable, TypeVar  # noqa: UP035 - the device's tests also run on Python 3.8

import pytest

SECONDS = 60.0
_SHARE = 4
"""A pause is this many times as long as the check before it, because others need the processor."""
_MOST_SECONDS = 0.25
T = TypeVar("T")


def eventually(check: Callable[[], T], seconds: float = SECONDS) -> T:
    """Return the first true result of ``check``; fail if there is none in time."""
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if result := check():
            return result
        now = time.monotonic()
        assert now < end, f"it did not happen within {seconds:g} s"
        time.sleep(max(0.01, min(_SHARE * (now - began), _MOST_SECONDS)))


def replace_time(patch: pytest.MonkeyPatch, module: ModuleType, **functions: Any) -> None:
    """Let ``module`` find these functions in ``time``.

    Other modules, which other threads may be running, keep the real ones.
    """
    patch.setattr(module, "time", SimpleNamespace(**{**vars(time), **functions}))
