from __future__ import annotations

import struct

import numpy as np
import pytest

from models.packing import LARGE, ParamsError, pack, read_params, rounded, unpack, write_params

SMALL_WEIGHTS = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)
LARGE_WEIGHTS = np.random.default_rng(1).normal(0, 0.1, (2, LARGE // 2)).astype(np.float32)


def as_tvm_writes_it() -> bytes:
    """Two parameters, byte by byte: ``w`` is float32 [2] = 1, -2 and ``i`` is int64 scalar 7."""
    magic, array_magic = 0xF7E58D4F05049CB7, 0xDD5E40F096B4A13F
    names = struct.pack("<Q", 1) + b"w" + struct.pack("<Q", 1) + b"i"
    w = struct.pack("<QQiiiBBHqqff", array_magic, 0, 1, 0, 1, 2, 32, 1, 2, 8, 1.0, -2.0)
    i = struct.pack("<QQiiiBBHqq", array_magic, 0, 1, 0, 0, 0, 64, 1, 8, 7)
    count = struct.pack("<Q", 2)
    return struct.pack("<QQ", magic, 0) + count + names + count + w + i


def test_reads_the_layout_that_tvm_writes() -> None:
    params = read_params(as_tvm_writes_it())
    assert list(params) == ["w", "i"]
    assert params["w"].dtype == np.float32
    assert params["w"].tolist() == [1.0, -2.0]
    assert params["i"].shape == ()
    assert params["i"].dtype == np.int64
    assert params["i"] == 7


def test_writes_what_it_read_byte_for_byte() -> None:
    assert write_params(read_params(as_tvm_writes_it())) == as_tvm_writes_it()


def test_writes_arrays_in_c_order_and_little_endian() -> None:
    array = np.asfortranarray(SMALL_WEIGHTS).astype(">f4")
    found = read_params(write_params({"w": array}))["w"]
    assert found.dtype == np.dtype("<f4")
    assert np.array_equal(found, SMALL_WEIGHTS)


def test_packing_halves_large_float_arrays_only() -> None:
    counts = np.arange(LARGE, dtype=np.int32)
    packed = read_params(
        pack(write_params({"large": LARGE_WEIGHTS, "small": SMALL_WEIGHTS, "counts": counts}))
    )
    assert packed["large"].dtype == np.float16
    assert packed["small"].dtype == np.float32
    assert packed["counts"].dtype == np.int32


def test_round_trip_rounds_large_weights_to_float16_and_keeps_the_rest() -> None:
    found = read_params(unpack(pack(write_params({"l": LARGE_WEIGHTS, "s": SMALL_WEIGHTS}))))
    assert found["l"].dtype == np.float32
    assert np.array_equal(found["l"], LARGE_WEIGHTS.astype(np.float16).astype(np.float32))
    assert not np.array_equal(found["l"], LARGE_WEIGHTS)
    assert np.allclose(found["l"], LARGE_WEIGHTS, rtol=2**-11, atol=2**-25)
    assert np.array_equal(found["s"], SMALL_WEIGHTS)


def test_rounded_is_what_the_round_trip_gives() -> None:
    found = read_params(unpack(pack(write_params({"l": LARGE_WEIGHTS}))))["l"]
    assert np.array_equal(rounded(LARGE_WEIGHTS), found)


def test_weights_beyond_the_range_of_float16_stay_exact() -> None:
    huge = LARGE_WEIGHTS.copy()
    huge[0, 0] = 70_000.0
    assert np.array_equal(read_params(unpack(pack(write_params({"l": huge}))))["l"], huge)


def test_packing_does_not_depend_on_the_order_of_the_arrays() -> None:
    one = {"a": SMALL_WEIGHTS, "b": LARGE_WEIGHTS}
    assert pack(write_params(one)) == pack(write_params(dict(reversed(one.items()))))


def test_float16_weights_are_not_packed_because_unpacking_would_widen_them() -> None:
    with pytest.raises(ParamsError, match="parameter w: is float16"):
        pack(write_params({"w": SMALL_WEIGHTS.astype(np.float16)}))


@pytest.mark.parametrize("kept", range(0, len(as_tvm_writes_it()), 3))
def test_truncated_parameters_are_refused(kept: int) -> None:
    with pytest.raises(ParamsError, match="end too early"):
        read_params(as_tvm_writes_it()[:kept])


def test_bytes_after_the_parameters_are_refused() -> None:
    with pytest.raises(ParamsError, match="1 unexpected bytes"):
        read_params(as_tvm_writes_it() + b"\0")


def test_something_else_is_refused() -> None:
    with pytest.raises(ParamsError, match="not a parameter file"):
        read_params(b"\x7fELF" + bytes(100))


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (-8 - 8 - 4, b"\x04", "type 4/64"),  # the type code of the last array: a string
        (-8 - 8 - 2, b"\x04", "64×4"),  # its lanes
        (-8 - 8, b"\x09", "are not"),  # its size in bytes
    ],
)
def test_a_damaged_array_header_is_refused(offset: int, value: bytes, message: str) -> None:
    data = bytearray(as_tvm_writes_it())
    start = len(data) + offset
    data[start : start + 1] = value
    with pytest.raises(ParamsError, match=message):
        read_params(bytes(data))
