"""The root of every error that the local cloud and the local core raise."""

from __future__ import annotations


class LocalCoreError(Exception):
    """A failure that a user can fix.

    Its text is one message that names what failed, the value and, where there is one, the command
    that helps; only the end of a log may follow on further lines. A command that catches it prints
    the text and exits with ``exit_code``.
    """

    exit_code = 1
