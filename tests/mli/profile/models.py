"""ONNX files of model families around known objects, as their exporters write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from tests.inference.decoders.exports.objects import Returned, Thing
from tests.inference.decoders.families import FAMILIES
from tests.inference.decoders.test_onnx import model_of

THINGS = (Thing(0, 0.9, (10, 10, 40, 40)), Thing(3, 0.8, (50, 20, 80, 60)))
BOXES = ([10 / 96, 10 / 64, 40 / 96, 40 / 64], [50 / 96, 20 / 64, 80 / 96, 60 / 64])
"""The boxes of the two things in fractions of a picture that has the shape of the input."""

NAMES = {0: "ant", 1: "bee", 2: "cat", 3: "dog", 4: "elk"}


def family(preset: str, path: Path, things: Sequence[Thing] = THINGS, **changes: Any) -> Path:
    """Write the model of a family that finds these things in every picture."""
    return saved(FAMILIES[preset](things), path, **changes)


def saved(
    returned: Returned,
    path: Path,
    *,
    properties: Mapping[str, Any] | None = None,
    open_axes: Sequence[int] = (),
    open_outputs: bool = False,
    side: int | None = None,
) -> Path:
    """Write a model that returns this for a square picture of ``side`` pixels, if that is given.

    ``open_axes`` of its input have no size.
    """
    model = onnx.load_from_string(model_of(returned))
    for axis in (2, 3) if side else ():
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    for axis in open_axes:
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"axis{axis}"
    if open_outputs:
        for output in model.graph.output:
            output.type.tensor_type.shape.dim[0].dim_param = "rows"
    for key, value in (properties or {}).items():
        model.metadata_props.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    return path


def ultralytics(**changes: Any) -> dict[str, Any]:
    """What Ultralytics notes in the models that it exports."""
    said = {
        "description": "Ultralytics YOLO11n model trained on ants.yaml",
        "task": "detect",
        "imgsz": [64, 96],
        "names": NAMES,
    }
    return {**said, **changes}
