"""The root of this package's exceptions."""

from __future__ import annotations


class DemoModelError(Exception):
    """A demo model, or a file of parameters, cannot be used; the text says which and why."""
