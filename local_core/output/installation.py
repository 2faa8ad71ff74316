"""What the installation of a component has done so far, as its files show it.

The component logs nothing until pip has ended.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from .terminal import counted

DOWNLOAD_MEGABYTES = 90
"""Wheels of a component with DLR on x86-64 (89 MB, November 2026); with ONNX Runtime 106 MB."""

_DOWNLOADS = "pip-unpack-*/*.whl"
"""Where pip collects what it downloads, below the folder for temporary files."""
_INSTALLED = "venv-*/lib/python3*/site-packages/*.dist-info"
_OWN = ("pip-", "setuptools-")
"""What a new environment has by itself."""
_COMPLETE = "venv-*/complete"
_CLOCK_LAG = 0.1
"""Seconds by which a file's time may be behind the clock: Linux takes it from its last tick."""


def is_first(works: Iterable[Path]) -> bool:
    """Return whether one of these work folders of components has no complete environment yet."""
    return any(not any(work.glob(_COMPLETE)) for work in works)


def progress(work: Path, since: float) -> str:
    """Return what an installation into ``work`` has done since a time (``time.time``)."""
    installed = [path for path in work.glob(_INSTALLED) if not path.name.startswith(_OWN)]
    if installed:
        return f"{_packages(installed)} installed"
    places = {Path(tempfile.gettempdir()), Path("/tmp")}
    sizes = []
    for wheel in (wheel for place in places for wheel in place.glob(_DOWNLOADS)):
        try:
            status = wheel.stat()
        except FileNotFoundError:  # pip is done with it
            continue
        if status.st_mtime >= since - _CLOCK_LAG:
            sizes.append(status.st_size)
    if not sizes:
        return "the Python environment is being created"
    return f"{_packages(sizes)} downloaded, {sum(sizes) / 1e6:.0f} MB"


def _packages(found: Sequence[object]) -> str:
    return f"{counted(len(found), 'package')} {'is' if len(found) == 1 else 'are'}"
