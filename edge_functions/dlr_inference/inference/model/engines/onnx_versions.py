"""Which ONNX Runtime the devices get, and which models it loads."""

from __future__ import annotations

from typing import NamedTuple


class OnnxEngine(NamedTuple):
    """The ONNX Runtime of devices with this Python or a newer one, and the newest that it loads."""

    python: str
    version: str
    opset: int
    ir_version: int


ENGINES = (
    OnnxEngine("3.8", "1.19.2", opset=21, ir_version=10),
    OnnxEngine("3.10", "1.23.2", opset=23, ir_version=11),
    OnnxEngine("3.14", "1.32.0", opset=28, ir_version=14),
)
"""Those of ``requirements-onnxruntime.txt``, oldest first; the limits were measured."""


def engine_for(opset: int, ir_version: int) -> OnnxEngine | None:
    """Return the oldest engine that loads a model; None if none does."""
    able = (one for one in ENGINES if opset <= one.opset and ir_version <= one.ir_version)
    return next(able, None)


def newer_python(opset: int = 0, ir_version: int = 0) -> str:
    """Return the end of an advice: what a device needs instead of another export, if that helps."""
    engine = engine_for(opset, ir_version)
    return "" if engine is None else f", or use a device with Python {engine.python} or newer"
