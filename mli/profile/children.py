"""Modules of this package that look at a model in a process of their own, which it may end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from inference.model.engines.child_failure import why_child_failed

from ..errors import MliError, one_line

_SECONDS = 300


def said_by_child(module: str, *arguments: str, model: Path, late: str, failed: str) -> Any:
    """Return what ``python -m MODULE`` prints in its last line, which is JSON.

    Raises:
        MliError: in one line about the ``model``: with ``late`` if the child takes too long, else
            with ``failed`` and the reason.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MliError(f"model {model}: {late} within {_SECONDS} s") from None
    # A library of the model may have printed to stdout, and ended the process with status 0.
    with contextlib.suppress(IndexError, ValueError):
        if not child.returncode:
            return json.loads(child.stdout.splitlines()[-1])
    reason = one_line(why_child_failed(child.returncode, child.stderr))
    raise MliError(f"model {model}: {failed}: {reason}")
