"""Resident memory: how much there is, and how to return freed memory to the system."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path

_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Make all threads allocate from one heap; call it before any thread starts.

    glibc gives each thread its own heap, and what remains of them adds up: 20 MB for a model of
    20 MB that is reloaded a few times on separate threads.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Return freed memory to the system.

    glibc keeps it: several megabytes after loading a model, and more with each camera that comes
    and goes, because each thread has memory of its own.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes; 0 where Linux's /proc is missing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()
