"""Why ONNX Runtime refuses a model: its exceptions name source positions, and no way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Match

from .onnx_versions import newer_python

_MAX_CHARACTERS = 300
_POSITION = re.compile(
    r"(?<![^\s:])/[^\s:]*onnxruntime[^\s:]*:\d+ .*?\)(?: const)? |\[ONNXRuntimeError\] : "
)

_FOREIGN = (
    (0, b"version https://git-lfs", "a pointer of Git LFS", "fetch the file with `git lfs pull`"),
    (
        0,
        b"PK\x03\x04",
        "a zip archive, as PyTorch's .pt files are",
        "export it as ONNX",
    ),
    (0, b"\x89HDF", "an HDF5 file, as Keras's .h5 are", "export it as ONNX"),
    (4, b"TFL3", "a TensorFlow Lite model", "convert it with tf2onnx"),
    (0, b"<", "a web page or XML", "download the file itself"),
)
"""Where a file of another kind has which bytes, what it is, and what to do."""

_Explain = Callable[[Match[str], Path], str]


def why_not_loaded(error: Exception, file: Path) -> str:
    """Return in one line why ``file`` cannot be loaded, and what to do if we know."""
    text = " ".join(str(error).split())
    for pattern, explain in _EXPLANATIONS:
        found = pattern.search(text)
        if found is not None:
            return explain(found, file)
    return without_positions(text)


def without_positions(text: str) -> str:
    """Return a message of ONNX Runtime in one line, without positions in its source code."""
    return _POSITION.sub("", " ".join(text.split()))[:_MAX_CHARACTERS] or "no reason given"


def _opset(found: Match[str], file: Path) -> str:
    return (
        f"it is of opset {found[1]}, and this version runs up to {found[2]}: export the model "
        f"again with that opset or a lower one{newer_python(opset=int(found[1]))}"
    )


def _format(found: Match[str], file: Path) -> str:
    return (
        f"it is of IR version {found[1]}, and this version reads up to {found[2]}: export the "
        "model with an older onnx package, or set its ir_version and save it again"
        + newer_python(ir_version=int(found[1]))
    )


def _operator(found: Match[str], file: Path) -> str:
    name = next(filter(None, found.groups()))
    return f"it needs the operator {name}, which this version does not have: export it without"


def _type_of_operator(found: Match[str], file: Path) -> str:
    return (
        f"it needs the operator {found[1]} for numbers of a type that this version does not have "
        "it for, such as float64: export the model as float32"
    )


def _damaged(found: Match[str], file: Path) -> str:
    return why_not_onnx(file)


def why_not_onnx(file: Path) -> str:
    """Return what a file is that holds no ONNX model, and what to do."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            first = stream.read(64)
    except OSError:
        size, first = 0, b""
    for at, magic, what, advice in _FOREIGN:
        if first[at:].lstrip().startswith(magic):
            return f"it is {what}, not an ONNX model: {advice}"
    return f"it is truncated or not an ONNX model ({size} bytes): copy it again"


def _short_weights(found: Match[str], file: Path) -> str:
    return (
        f"its weights {found[1]} are in a file beside it that is truncated ({found[2]} bytes): "
        "copy it again"
    )


_EXPLANATIONS: tuple[tuple[re.Pattern[str], _Explain], ...] = (
    (re.compile(r"Opset (\d+) is under development.* is till opset (\d+)"), _opset),
    (re.compile(r"IR version: (\d+), max supported IR version: (\d+)"), _format),
    (
        re.compile(
            r"error: (\S+?)\(-?\d+\) is not a registered function|No Op registered for (\S+)"
        ),
        _operator,
    ),
    (re.compile(r"implementation for (\S+?)\("), _type_of_operator),
    (re.compile(r"Protobuf parsing failed|does not have a graph"), _damaged),
    (re.compile(r"External initializer: (\S+) .*file_length: (\d+)"), _short_weights),
)
