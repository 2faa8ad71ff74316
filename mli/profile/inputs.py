"""The input of a model as fields of a profile: one image, of a size that is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MliError
from .asked import Asked
from .inspection import Tensor
from .proposal import usual_shape
from .side_inputs import INPUTS_OF_SIZE

_CHANNELS = (1, 3)
_TYPES = ("float32", "uint8")
_CONVERTED = ("bfloat16", "float64", "int32", "int64", "uint16")
"""Types that ``mli compile`` changes; of the others nobody knows which number a pixel is."""


def input_of(
    inputs: Sequence[Tensor], asked: Asked, size: tuple[int, int] | None
) -> dict[str, Any]:
    """Return name, shape, layout and type of the one input.

    What the model leaves open is that of ``--input-shape``, of ``size`` (height and width, which
    the exporter noted), or of the usual export of the preset that was asked for.

    Raises:
        MliError: if there is not one input, it is not an image, or its size is not known.
    """
    if len(inputs) != 1:
        if not inputs:
            raise MliError(f"{asked.path}: has no input; a profile describes one image")
        listed = ", ".join(map(str, inputs))
        raise MliError(
            f"{asked.path}: has the inputs {listed}; a profile describes one image: export it "
            "without the others, or `mli compile` turns those named "
            f"{', '.join(INPUTS_OF_SIZE)} into constants"
        )
    [tensor] = inputs
    if tensor.dtype not in _TYPES:
        rule = f"a profile describes an image in {' or '.join(_TYPES)}"
        other = ", or let `mli compile` change the type" if tensor.dtype in _CONVERTED else ""
        raise MliError(f"input {tensor}: {rule}; export it like that{other}")
    shape = tensor.shape or (None,) * 4  # a model may say nothing
    if len(shape) != 4 or shape[0] not in (1, None):
        rule = "a profile describes one image, [1,3,H,W] or [1,H,W,3]"
        raise MliError(f"input {tensor}: {rule}; export it with a batch of 1")
    known: tuple[int | None, ...] = (1, *shape[1:])
    if None in known or asked.shape is not None:
        known = _fixed(tensor, known, asked, size)
    if not set(_CHANNELS) & {known[1], known[3]}:
        raise MliError(f"input {tensor}: a profile describes one image, [1,3,H,W] or [1,H,W,3]")
    layout = "NCHW" if known[1] in _CHANNELS else "NHWC"
    return {"name": tensor.name, "shape": list(known), "layout": layout, "dtype": tensor.dtype}


def _fixed(
    tensor: Tensor, known: tuple[int | None, ...], asked: Asked, size: tuple[int, int] | None
) -> tuple[int | None, ...]:
    if asked.shape is not None:
        if not _can_be(known, asked.shape):
            given = _written(asked.shape)
            raise MliError(
                f"input {tensor}: does not take --input-shape {given}; {_example(known)} would do"
            )
        return asked.shape
    choices: list[tuple[int, ...] | None] = [(1, 3, *size), (1, *size, 3)] if size else []
    choices += [usual_shape(asked.preset)] if asked.preset else []
    for shape in choices:
        if shape is not None and _can_be(known, shape):
            return shape
    raise MliError(
        f"input {tensor}: the model leaves its size open; give it with --input-shape "
        f"{_example(known)}"
    )


def _example(known: Sequence[int | None]) -> str:
    """Return a shape that the model can have, with what it leaves open as is usual."""
    last = known[3] in _CHANNELS and known[1] not in _CHANNELS
    usual = (1, 640, 640, 3) if last else (1, 3, 640, 640)
    return _written([o if k is None else k for k, o in zip(known, usual, strict=True)])


def _can_be(known: Sequence[int | None], shape: Sequence[int]) -> bool:
    return len(known) == len(shape) and all(
        one in (None, given) for one, given in zip(known, shape, strict=True)
    )


def _written(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))
