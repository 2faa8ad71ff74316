"""One tree of exceptions: everything that this package raises on purpose is an InferenceError."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Return ``text`` with every character escaped that is not printable, or not yet assigned."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class InferenceError(Exception):
    """Root of the tree. Its text is one line that says what is wrong, and what to do if we know.

    A program that ends because of one prints that line instead of a traceback, and returns
    ``exit_status``. ``health_fault`` is the name under which telemetry reports the end; without
    one the nucleus itself is the problem, and there is nobody to report to.
    """

    exit_status = 1
    health_fault: str | None = None

    def __str__(self) -> str:
        """Return the text in one printable line: reasons that libraries give may have several."""
        return escaped(" ".join(line.strip() for line in super().__str__().splitlines()))


class ModelError(InferenceError, RuntimeError):
    """A model that cannot be used: damaged, for another machine, or not what its profile says."""

    health_fault = "no model"


class MissingLibraryError(InferenceError, ImportError):
    """A Python package or shared library that the device does not have."""

    health_fault = "missing library"


class DeviceError(InferenceError, OSError):
    """Something essential that the operating system, the nucleus or the core refused."""


class TokenRefusedError(DeviceError):
    """The nucleus no longer knows the component: only a new process gets a new token."""


class FrameError(InferenceError, RuntimeError):
    """One frame that cannot be used. It is counted and skipped; the next one may be good."""


class OutputError(FrameError):
    """What the model returned for one frame cannot be used. The model may be right for the next."""


class RefusedError(InferenceError, OSError):
    """A message that will never be accepted, for example an unauthorised one: do not retry it."""
