"""Why a model failed in a child process, read from its exit status and its stderr.

DLR's exceptions are often empty. The reason is then a line that TVM wrote to stderr, among source
positions and a stack trace.
"""

from __future__ import annotations

import re
import signal

_MAX_CHARACTERS = 300
_REASON = re.compile(r"error: |check failed", re.IGNORECASE)
_ERROR = re.compile(r"error", re.IGNORECASE)
_MEANINGS = {
    "SIGBUS": " (a truncated library)",
    "SIGILL": " (an instruction that this processor lacks; compile for this target)",
    "SIGKILL": " (probably too little memory)",
}


def why_child_failed(returncode: int, stderr: str) -> str:
    """Return in one line why a child process that ran a model did not return 0."""
    if returncode < 0:
        name = signal.Signals(-returncode).name
        return f"it ends the process with {name}{_MEANINGS.get(name, '')}"
    return telling_line(stderr)


def telling_line(text: str) -> str:
    """Return the line that names the cause: the last with a reason, else the last with an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in (_REASON, _ERROR):
        found = [line for line in lines if pattern.search(line)]
        if found:
            return found[-1][:_MAX_CHARACTERS]
    return (lines or ["no reason given"])[-1][:_MAX_CHARACTERS]
