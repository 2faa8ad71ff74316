"""Quantises a model to 8 bits with photographs that show it the values to expect."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from inference.errors import FrameError
from inference.model.profiles.profile import InputSpec
from inference.sources.listing import list_files
from inference.vision.images import decode
from inference.vision.preprocess import Preprocessor

from ..errors import MliError

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""What takes the time of a model."""
_BETWEEN = ("Add", "AveragePool", "Clip", "GlobalAveragePool", "MaxPool", "Relu")
"""What lies between layers and can stay in whole numbers. Others keep real numbers: a box and a
score in one tensor, for example, cannot share a scale."""
_FEW_WEIGHTS = 64
"""A layer with so few weights takes no time, and may compute boxes, which need finer steps."""

Told = Callable[[str], None]
"""Shows progress."""


def photographs(folder: str) -> list[Path]:
    """Return the images of a folder to calibrate with.

    Raises:
        MliError: if there is none.
    """
    if not Path(folder).is_dir():
        raise MliError(f"--calibrate {folder}: there is no such folder")
    found = [Path(path) for path in sorted(list_files(folder))]
    if not found:
        raise MliError(
            f"--calibrate {folder}: has no images; give a folder of 50 to 500 photographs like "
            "those that the core will see"
        )
    return found


def tensors(files: Sequence[Path], spec: InputSpec) -> Iterator[Any]:
    """Yield each photograph as the core would give it to the model.

    Raises:
        MliError: naming one that cannot be read.
    """
    preprocess = Preprocessor(spec)
    for path in files:
        try:
            image = decode(path.read_bytes(), str(path))
        except FrameError as error:
            raise MliError(f"--calibrate {error}; remove or replace it") from None
        except OSError as error:
            raise MliError(f"--calibrate {path}: cannot be read: {error.strerror}") from None
        yield np.array(preprocess(image)[0])


class _Reader:
    """Gives onnxruntime's quantiser one tensor after another."""

    def __init__(self, name: str, files: Sequence[Path], spec: InputSpec, tell: Told) -> None:
        self._name, self._files, self._tell = name, files, tell
        self._tensors = enumerate(tensors(files, spec), 1)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input of the model; None after the last one."""
        number, tensor = next(self._tensors, (0, None))
        if tensor is None:
            return None
        self._tell(f"calibrating with photograph {number} of {len(self._files)} …")
        return {self._name: tensor}


def quantise(
    source: Path, target: Path, spec: InputSpec, files: Sequence[Path], tell: Told
) -> None:
    """Write a quantised form of the model at ``source``: QDQ, static, weights by channel.

    What follows the last layer stays as it is. Weights have 7 bits, since processors without VNNI
    add pairs of products in 16 bits.
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html

    Raises:
        MliError: if a photograph cannot be read, or nothing can be quantised.
    """
    from onnxruntime import quantization

    class Reader(_Reader, quantization.CalibrationDataReader):  # type: ignore[misc]
        """A reader of the type that the quantiser expects."""

    named = source.with_name("named.onnx")
    model = onnx.load(source)
    for number, node in enumerate(model.graph.node):
        node.name = f"{number}"
    chosen = _quantisable(model)
    if not chosen:
        raise MliError("--quantize: the model has no layers whose weights could be quantised")
    onnx.save(model, named)
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # the quantiser advises to do what has been done
    try:
        quantization.quantize_static(
            str(named),
            str(target),
            Reader(spec.name, files, spec, tell),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=[*_LAYERS, *_BETWEEN],
            nodes_to_quantize=chosen,
        )
    finally:
        logger.setLevel(level)


def _quantisable(model: Any) -> list[str]:
    """Return the names of the layers, and of what lies between them."""
    weights = {one.name: math.prod(one.dims) for one in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    waiting = [
        node for node in model.graph.node
        if node.op_type in _LAYERS
        and max(weights.get(name, _FEW_WEIGHTS + 1) for name in node.input[1:2]) > _FEW_WEIGHTS
    ]  # fmt: skip
    layers = {node.name for node in waiting}
    before = set(layers)
    while waiting:
        for name in waiting.pop().input:
            node = made_by.get(name)
            if node is not None and node.name not in before:
                before.add(node.name)
                waiting.append(node)
    return [
        node.name for node in model.graph.node
        if node.name in layers or (node.op_type in _BETWEEN and node.name in before)
    ]  # fmt: skip
