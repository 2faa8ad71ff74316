"""The files of a model for ONNX Runtime: one ``.onnx``, and weights that it may keep beside it."""

from __future__ import annotations

import mmap
from pathlib import Path, PurePath, PurePosixPath

from ...errors import ModelError
from .compiled import only_file
from .digests import content_files, is_hidden

ONNX_SUFFIX = ".onnx"

_LOCATION = b"\x0a\x08location\x12"
"""Key and tag of the entry in which ONNX names a file of weights, as protobuf writes them.

https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
"""


def is_onnx(path: PurePath) -> bool:
    """Tell whether ``path`` is an ONNX model, not a file that a desktop left."""
    return path.suffix == ONNX_SUFFIX and not is_hidden(path.name)


def onnx_file(folder: Path) -> Path:
    """Return the one ``.onnx`` file of the artifact in ``folder``.

    Raises:
        ModelError: if there is none, or more than one.
    """
    return only_file(folder, [path for path in content_files(folder) if is_onnx(path)], ".onnx")


def check_onnx(folder: Path) -> None:
    """Check that the artifact in ``folder`` has one ``.onnx`` file, and its weights beside it.

    Raises:
        ModelError: if it has not, or if the weights are in another folder, where no digest covers
            them.
    """
    file = onnx_file(folder)
    beside = {path.name for path in content_files(folder)}
    for name in sorted(weight_files(file) - beside):
        raise ModelError(
            f"model file {file}: keeps weights in {name}, which is not beside it: the artifact is "
            "the folder of both, or its archive"
        )


def weights_beside(file: Path) -> list[Path]:
    """Return the files with weights of an ``.onnx`` file that are in its folder, sorted.

    Raises:
        ModelError: if the file cannot be read.
    """
    named = (file.parent / name for name in sorted(weight_files(file)) if Path(name).name == name)
    return [path for path in named if path.is_file()]


def weight_files(file: Path) -> frozenset[str]:
    """Return the paths that an ``.onnx`` file gives of files with weights, relative to its folder.

    They are without what changes nothing, such as ``./``.

    Raises:
        ModelError: if the file cannot be read.
    """
    found = set()
    try:
        if not file.stat().st_size:
            return frozenset()
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
            at = data.find(_LOCATION)
            while at >= 0:
                start = at + len(_LOCATION)
                found.add(str(PurePosixPath(_text(data[start : start + 2 + 128 * 128]))))
                at = data.find(_LOCATION, start)
    except OSError as error:
        raise ModelError(f"model file {file}: cannot be read: {error.strerror}") from None
    return frozenset(found)


def _text(data: bytes) -> str:
    """Read a text of protobuf: its length in 7 bits a byte, the lowest first, then UTF-8."""
    first, second = (data[:2] + b"\0\0")[:2]
    length, start = (first, 1) if first < 128 else (first & 127 | second << 7, 2)
    return data[start : start + length].decode("utf-8", errors="replace")
