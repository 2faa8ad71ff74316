"""What the C library does with memory, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from edge_functions import CODE_FOLDER

HEAPS = """
import ctypes, sys, threading
from inference.memory import share_one_heap
if sys.argv[1] == "one":
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
done = threading.Barrier(5)
def take():
    libc.malloc(ctypes.c_size_t(1000))
    done.wait()
for _ in range(4):
    threading.Thread(target=take).start()
done.wait()
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def heaps(how_many: str) -> int:
    """Return how many heaps the C library made for five threads."""
    told = subprocess.run(
        [sys.executable, "-c", HEAPS, how_many],
        cwd=CODE_FOLDER,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.count("<heap nr=")


def test_threads_share_one_heap() -> None:
    assert heaps("one") == 1
    assert heaps("each its own") > 1
