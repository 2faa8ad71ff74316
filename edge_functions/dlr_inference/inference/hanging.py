"""When the broker, a bucket or a disk that does not answer counts as a fault."""

from __future__ import annotations

import time

HANGS_SECONDS = 7.0
"""How long an answer may take: a longer wait is a fault, though the answer may still come."""


def hang_fault(since: float | None) -> str | None:
    """Return the fault of an answer that has been awaited since ``since``, a ``time.monotonic``.

    None is not a fault: the wait is short so far, or, with ``since`` None, nothing is awaited.
    """
    seconds = 0.0 if since is None else time.monotonic() - since
    return f"no answer for {seconds:.0f} s" if seconds > HANGS_SECONDS else None
