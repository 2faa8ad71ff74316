"""What the command line asks of a compilation on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from ..cli.options import image_shape
from ..profile.proposal import Preprocessing
from .artifact import Destination

_PREPROCESSING = (
    "mean", "std", "scale", "color_order", "resize", "resize_shorter_side", "interpolation",
    "threshold", "top_k", "name",
)  # fmt: skip


@dataclass(frozen=True)
class LocalRequest:
    """A model, what is said about it, and what to make of it; None where nothing is said."""

    model: str
    place: Destination
    target: str = "x86-64"
    kind: str = "auto"
    softmax: bool = False
    background: bool = False
    box_units: str = "auto"
    box_order: str = "auto"
    scores: str | None = None
    boxes: str | None = None
    preset: str | None = None
    input_shape: tuple[int, ...] | None = None
    profile: str | None = None
    labels: str | None = None
    image: str | None = None
    score_threshold: float | None = None
    iou_threshold: float | None = None
    quantize: str | None = None
    calibrate: str | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)


def local_request(
    model: str,
    output_path: str,
    input_shape: str | None,
    **options: Any,
) -> LocalRequest:
    """Return the request of a command line.

    Raises:
        click.UsageError: if options contradict each other.
    """
    if output_path.startswith("s3://"):
        raise click.UsageError("--output must be a folder or a .tar.gz; S3 goes with --with neo")
    pixels = Preprocessing(**{name: options.pop(name) for name in _PREPROCESSING})
    if options["profile"] and pixels != Preprocessing():
        given = next(name for name in _PREPROCESSING if getattr(pixels, name) is not None)
        raise click.UsageError(
            f"--{given.replace('_', '-')} contradicts --profile: give one of them"
        )
    if options["profile"] and options["preset"]:
        raise click.UsageError("--preset contradicts --profile: give one of them")
    if bool(options.get("quantize")) != bool(options.get("calibrate")):
        raise click.UsageError("--quantize and --calibrate go together: int8, and photographs")
    return LocalRequest(
        model=model,
        place=Destination(Path(output_path)),
        input_shape=image_shape(input_shape),
        preprocessing=pixels,
        **options,
    )
