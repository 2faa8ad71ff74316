"""Which versions of ONNX a model is of, and which devices run it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

from inference.model.engines.onnx_versions import ENGINES, engine_for

_IR_VERSION, _OPSET_IMPORT = 1, 8
_DOMAIN, _VERSION = 1, 2
_VARINT, _WITH_LENGTH, _FIXED = 0, 2, {1: 8, 5: 4}
_OWN_DOMAINS = (b"", b"ai.onnx")


class OnnxFormat(NamedTuple):
    """The version of ONNX's operators that a model uses, and that of its file."""

    opset: int
    ir_version: int


def limit_of(model: OnnxFormat) -> str:
    """Return what a model does, as a clause, if it does not run on every device; else nothing."""
    engine = engine_for(*model)
    if engine is ENGINES[0]:
        return ""
    unable = ENGINES[-1] if engine is None else ENGINES[ENGINES.index(engine) - 1]
    what, found, most = "IR version", model.ir_version, unable.ir_version
    if model.opset > unable.opset:
        what, found, most = "opset", model.opset, unable.opset
    if engine is None:
        return (
            f"runs on no device: it is of {what} {found}, and ONNX Runtime {unable.version} loads "
            f"up to {most}"
        )
    return (
        f"runs on devices with Python {engine.python} or newer only: it is of {what} {found}, and "
        f"older ones have ONNX Runtime {unable.version}, which loads up to {most}"
    )


def limit_of_file(file: Path) -> str:
    """Return for an ``.onnx`` file what :func:`limit_of` says; nothing of a damaged one.

    Raises:
        OSError: if it cannot be read.
    """
    with file.open("rb") as stream:
        version = read_onnx_format(stream)
    return "" if version is None else limit_of(version)


def read_onnx_format(stream: IO[bytes]) -> OnnxFormat | None:
    """Return of which versions a model is that begins here; None if it is damaged.

    Only the fields of the outermost message are read, as protobuf writes them.
    https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
    """
    opset, ir_version = 0, 0
    try:
        for field, wire, value in _fields(stream):
            if (field, wire) == (_IR_VERSION, _VARINT):
                ir_version = value
            elif (field, wire) == (_OPSET_IMPORT, _WITH_LENGTH):
                opset = _own_opset(stream.read(value)) or opset
            elif wire == _WITH_LENGTH:
                stream.seek(value, 1)
    except (EOFError, ValueError):
        return None
    return OnnxFormat(opset, ir_version) if opset and ir_version else None


def _own_opset(message: bytes) -> int:
    """Return the version of ONNX's own operators; 0 if this is of operators of others."""
    stream, domain, version = BytesIO(message), b"", 0
    for field, wire, value in _fields(stream):
        if wire == _WITH_LENGTH:
            text = stream.read(value)
            domain = text if field == _DOMAIN else domain
        elif field == _VERSION:
            version = value
    return version if domain in _OWN_DOMAINS else 0


def _fields(stream: IO[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield number, wire type, and value of each field of a message of protobuf.

    The value is the length of a field with one, whose content the caller reads or leaves out.
    """
    while True:
        first = stream.read(1)
        if not first:
            return
        key = _varint(stream, first)
        wire = key & 7
        if wire in (_VARINT, _WITH_LENGTH):
            yield key >> 3, wire, _varint(stream, stream.read(1))
        elif wire in _FIXED:
            stream.read(_FIXED[wire])
        else:
            raise ValueError(f"wire type {wire}")


def _varint(stream: IO[bytes], first: bytes) -> int:
    value, shift, byte = 0, 0, first
    while byte:
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
        byte = stream.read(1)
    raise EOFError
