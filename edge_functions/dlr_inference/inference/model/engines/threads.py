"""How many threads a model runs on, by the rule that TVM has for models in DLR."""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLES = ("TVM_NUM_THREADS", "OMP_NUM_THREADS")
_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def model_threads() -> int:
    """Return the number that TVM's variables give, else the cores that this process may use.

    Two hardware threads of one core count as one: they share what a model needs.
    https://github.com/apache/tvm/blob/v0.16.0/src/runtime/threading_backend.cc
    """
    for name in _VARIABLES:
        given = os.environ.get(name, "")
        if given.isdigit() and int(given) > 0:
            return int(given)
    allowed = os.sched_getaffinity(0)
    try:
        return len({Path(_SIBLINGS.format(number)).read_text() for number in allowed})
    except OSError:  # a system without this folder, such as some containers
        return len(allowed)
