"""The files of a model for ONNX Runtime: one ``.onnx``, and weights that it may keep beside it."""

from __future__ import annotations

from pathlib import Path

from .compiled import only_file
from .digests import content_files, is_hidden

ONNX_SUFFIX = ".onnx"


def is_onnx(path: Path) -> bool:
    """Tell whether ``path`` is an ONNX model, not a file that a desktop left."""
    return path.suffix == ONNX_SUFFIX and not is_hidden(path.name)


def onnx_file(folder: Path) -> Path:
    """Return the one ``.onnx`` file of the artifact in ``folder``.

    Raises:
        ModelError: if there is none, or more than one.
    """
    return only_file(folder, [path for path in content_files(folder) if is_onnx(path)], ".onnx")
