"""The parameters of a compiled model: TVM's file format, and the halved form kept in git.

A DLR artifact keeps its weights in ``compiled.params``, which is what TVM's ``save_param_dict``
writes (``src/runtime/file_utils.cc``): a magic number, the names, then one DLPack-described array
each. Little-endian throughout::

    u64 magic, u64 reserved, u64 count, count × (u64 length, name), u64 count, count × array
    array: u64 magic, u64 reserved, i32 device type, i32 device id, i32 dimensions,
           u8 type code, u8 bits, u16 lanes, dimensions × i64 extent, i64 bytes, data

In git the large float32 arrays are rounded to float16, which halves their size and changes the
outputs little. Small ones (biases, anchors) stay exact: they would save nothing and could cost
accuracy.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DemoModelError

LARGE = 1 << 14
"""Arrays with at least this many elements are stored as float16."""

_LIST_MAGIC = 0xF7E58D4F05049CB7
_ARRAY_MAGIC = 0xDD5E40F096B4A13F
_CPU = 1
_KINDS = {0: "i", 1: "u", 2: "f"}
_CODES = {kind: code for code, kind in _KINDS.items()}


class ParamsError(DemoModelError):
    """The data is not a complete parameter file, or holds what this module does not support."""


class _Reader:
    """Reads structures from the start of a buffer, which may end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def numbers(self, layout: str) -> tuple[Any, ...]:
        layout = "<" + layout
        return struct.unpack(layout, self.raw(struct.calcsize(layout)))

    def number(self, layout: str) -> int:
        return int(self.numbers(layout)[0])

    def raw(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise ParamsError(
                f"parameters end too early: {len(self._data)} bytes, need at least {end}"
            )
        piece, self._at = self._data[self._at : end], end
        return piece

    def finish(self) -> None:
        if self._at != len(self._data):
            raise ParamsError(f"{len(self._data) - self._at} unexpected bytes after the parameters")


def read_params(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays in the content of a parameter file by name, in the file's order.

    Raises:
        ParamsError: if the data is truncated, has bytes left over, or is something else.
    """
    reader = _Reader(data)
    if reader.number("Q") != _LIST_MAGIC:
        raise ParamsError("not a parameter file: wrong magic number")
    reader.number("Q")
    try:
        names = [reader.raw(reader.number("Q")).decode() for _ in range(reader.number("Q"))]
    except UnicodeDecodeError as error:
        raise ParamsError(f"a parameter's name is not UTF-8: {error}") from None
    if reader.number("Q") != len(names) or len(set(names)) != len(names):
        raise ParamsError("names and arrays do not match")
    params = {name: _read_array(name, reader) for name in names}
    reader.finish()
    return params


def _read_array(name: str, reader: _Reader) -> NDArray[Any]:
    if reader.number("Q") != _ARRAY_MAGIC:
        raise ParamsError(f"parameter {name}: wrong magic number")
    reader.number("Q")
    _, _, dimensions = reader.numbers("iii")
    code, bits, lanes = reader.numbers("BBH")
    if code not in _KINDS or bits not in (8, 16, 32, 64) or lanes != 1 or dimensions < 0:
        raise ParamsError(f"parameter {name}: type {code}/{bits}×{lanes} is not supported")
    shape = reader.numbers(f"{dimensions}q")
    size = reader.number("q")
    dtype = _dtype(name, _KINDS[code], bits)
    if min(shape, default=1) < 0 or size != math.prod(shape) * dtype.itemsize:
        raise ParamsError(f"parameter {name}: {size} bytes are not {list(shape)} of {dtype}")
    return np.frombuffer(reader.raw(size), dtype).reshape(shape)


def _dtype(name: str, kind: str, bits: int) -> np.dtype[Any]:
    try:
        return np.dtype(f"<{kind}{bits // 8}")
    except TypeError:
        raise ParamsError(f"parameter {name}: there is no {kind}{bits}") from None


def write_params(params: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of a parameter file with these arrays, in the mapping's order.

    Raises:
        ParamsError: if an array is of a type other than whole or floating-point numbers.
    """
    pieces = [struct.pack("<QQQ", _LIST_MAGIC, 0, len(params))]
    for name in params:
        encoded = name.encode()
        pieces += [struct.pack("<Q", len(encoded)), encoded]
    pieces.append(struct.pack("<Q", len(params)))
    for name, array in params.items():
        if array.dtype.kind not in _CODES:
            raise ParamsError(f"parameter {name}: {array.dtype} is not supported")
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        code, bits = _CODES[array.dtype.kind], array.dtype.itemsize * 8
        pieces.append(struct.pack("<QQiii", _ARRAY_MAGIC, 0, _CPU, 0, array.ndim))
        pieces.append(struct.pack(f"<BBH{array.ndim}qq", code, bits, 1, *array.shape, len(data)))
        pieces.append(data)
    return b"".join(pieces)


def is_halved(array: NDArray[Any]) -> bool:
    """Return whether an array is stored as float16: float32, large, and within float16's range."""
    if array.dtype != np.float32 or array.size < LARGE:
        return False
    return bool(np.abs(array).max() <= np.finfo(np.float16).max)


def rounded(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as it is after packing and unpacking."""
    return array.astype(np.float16).astype(np.float32) if is_halved(array) else array


def pack(data: bytes) -> bytes:
    """Return the content of a parameter file with its large float32 arrays as float16, by name.

    Sorted, because TVM writes the arrays in an order that changes from run to run.

    Raises:
        ParamsError: if the data is damaged, or holds float16 arrays, which ``unpack`` would widen.
    """
    params = read_params(data)
    for name, array in params.items():
        if array.dtype == np.float16:
            raise ParamsError(f"parameter {name}: is float16 already")
    return write_params(
        {
            name: array.astype(np.float16) if is_halved(array) else array
            for name, array in sorted(params.items())
        }
    )


def unpack(data: bytes) -> bytes:
    """Return the content of a parameter file with its float16 arrays as float32.

    Raises:
        ParamsError: if the data is damaged.
    """
    return write_params(
        {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in read_params(data).items()
        }
    )
