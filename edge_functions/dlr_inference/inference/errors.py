"""Faults that end the process, and faults that cost one frame."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model that cannot be used: damaged, for another machine, or not what its profile says."""


class FrameError(RuntimeError):
    """One frame that cannot be used. It is counted and skipped; the next one may be good."""
