"""The input of a model as fields of a profile: one image, of a size that is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MliError
from .asked import Asked
from .inspection import Tensor
from .proposal import usual_shape

_CHANNELS = (1, 3)
_TYPES = ("float32", "uint8")


def input_of(
    inputs: Sequence[Tensor], asked: Asked, size: tuple[int, int] | None
) -> dict[str, Any]:
    """Return name, shape, layout and type of the one input.

    What the model leaves open is that of ``--input-shape``, of ``size`` (height and width, which
    the exporter noted), or of the usual export of the preset that was asked for.

    Raises:
        MliError: if there is not one input, it is no image, or its size is not known.
    """
    if len(inputs) != 1:
        listed = ", ".join(map(str, inputs)) or "none named in its graph"
        raise MliError(f"{asked.path}: has the inputs {listed}; a profile describes one image")
    [tensor] = inputs
    if tensor.dtype not in _TYPES:
        raise MliError(f"input {tensor}: a profile describes an image in {' or '.join(_TYPES)}")
    shape = tensor.shape or (None,) * 4  # a model may say nothing
    if len(shape) != 4 or shape[0] not in (1, None):
        raise MliError(f"input {tensor}: a profile describes one image, [1,3,H,W] or [1,H,W,3]")
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
            raise MliError(f"input {tensor}: cannot be --input-shape {_written(asked.shape)}")
        return asked.shape
    choices: list[tuple[int, ...] | None] = [(1, 3, *size), (1, *size, 3)] if size else []
    choices += [usual_shape(asked.preset)] if asked.preset else []
    for shape in choices:
        if shape is not None and _can_be(known, shape):
            return shape
    example = "1,640,640,3" if known[3] in _CHANNELS else "1,3,640,640"
    raise MliError(
        f"input {tensor}: the model leaves its size open; give it with --input-shape {example}"
    )


def _can_be(known: Sequence[int | None], shape: Sequence[int]) -> bool:
    return len(known) == len(shape) and all(
        one in (None, given) for one, given in zip(known, shape, strict=True)
    )


def _written(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))
