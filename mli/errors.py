"""The tree of this package's exceptions.

Nothing but the standard library is imported: TVM's own environment raises them too.
"""

from __future__ import annotations

from typing import ClassVar


def one_line(text: str) -> str:
    """Return ``text`` without line breaks or runs of blanks."""
    return " ".join(text.split())


def file_fault(error: OSError) -> str:
    """Return in one line what happened to which file."""
    named = f"{error.filename}: " if error.filename else ""
    return one_line(named + (error.strerror or str(error)))


class MliError(Exception):
    """A command cannot do what it was asked to do.

    Its text is always a single line that names what happened, the value, and what would help. It is
    all that a user sees: ``reporting`` writes it to stderr and ends with ``exit_status``.
    """

    exit_status: ClassVar[int] = 1
    """What the process ends with."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
