"""Resident memory: how much it is, and how to keep what is freed from staying in it."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path

_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Let all threads take memory from one heap; to be called before they are there.

    glibc gives each its own, and what is left of those adds up: 20 MB for a model of 20 MB that is
    loaded anew, on a thread of its own, a few times.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Give back to the system what was freed.

    glibc keeps it: several megabytes after a model was loaded, and more with each camera that comes
    and goes, since a thread's memory is its own.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes; 0 where Linux's /proc is not."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()
