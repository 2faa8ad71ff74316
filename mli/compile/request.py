"""Turns the options of the command line into a request to TVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..profile.proposal import Preprocessing
from .artifact import Destination
from .with_tvm import TvmOptions

_PREPROCESSING = (
    "mean", "std", "scale", "color_order", "resize", "resize_shorter_side", "interpolation",
    "threshold", "top_k", "name",
)  # fmt: skip


def tvm_request(
    model: str,
    output_path: str,
    input_shape: str | None,
    **options: Any,
) -> TvmOptions:
    """Return the request of a command line.

    Raises:
        click.UsageError: if options contradict each other.
    """
    if output_path.startswith("s3://"):
        raise click.UsageError("--output must be a folder or a .tar.gz with --with tvm")
    pixels = Preprocessing(**{name: options.pop(name) for name in _PREPROCESSING})
    if options["profile"] and pixels != Preprocessing():
        given = next(name for name in _PREPROCESSING if getattr(pixels, name) is not None)
        raise click.UsageError(
            f"--{given.replace('_', '-')} contradicts --profile: give one of them"
        )
    return TvmOptions(
        model=model,
        place=Destination(Path(output_path)),
        input_shape=_shape(input_shape),
        preprocessing=pixels,
        **options,
    )


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        extents = tuple(int(part) for part in text.split(","))
    except ValueError:
        extents = ()
    if len(extents) != 4 or min(extents) < 1:
        raise click.UsageError("--input-shape must be four numbers such as 1,3,224,224")
    return extents
