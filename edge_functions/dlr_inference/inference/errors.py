"""Faults that end the process, and faults that cost one frame or one message."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model that cannot be used: damaged, for another machine, or not what its profile says."""


class FrameError(RuntimeError):
    """One frame that cannot be used. It is counted and skipped; the next one may be good."""


class RefusedError(OSError):
    """A message that will never be taken, however often it is sent, such as an unauthorised one."""
