"""Resident memory: how much it is, and how to keep what is freed from staying in it."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path


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
