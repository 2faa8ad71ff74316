"""Stores quantised weights as the real numbers that they stand for, before TVM gets a graph.

TVM would compile and run a small program for each of them: minutes for a model of 80 layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper


def with_real_weights(model: Any) -> Any:
    """Replace each DequantizeLinear of constants in ``model``, in place, and return it.

    https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html, without blocks.
    """
    constants = {one.name: one for one in model.graph.initializer}
    kept, used = [], set()
    for node in model.graph.node:
        names = [name for name in node.input if name]
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if (
            node.op_type != "DequantizeLinear"
            or not all(name in constants for name in names)
            or attributes.get("block_size")
        ):
            kept.append(node.SerializeToString())
            used.update(node.input)
            continue
        values = _real(*(numpy_helper.to_array(constants[n]) for n in names), **attributes)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    if len(kept) < len(model.graph.node):
        del model.graph.node[:]
        for text in kept:
            model.graph.node.add().ParseFromString(text)
        remaining = [one for one in model.graph.initializer if one.name in used]
        texts = [one.SerializeToString() for one in remaining]
        del model.graph.initializer[:]
        for text in texts:
            model.graph.initializer.add().ParseFromString(text)
    return model


def _real(values: Any, scale: Any, zero: Any = None, axis: int = 1, **_: Any) -> Any:
    shape = [1] * values.ndim
    if scale.ndim and scale.size > 1:
        shape[axis] = scale.size
    scale = scale.astype(np.float32).reshape(shape if values.ndim else ())
    shift = 0 if zero is None else zero.astype(np.int32).reshape(scale.shape)
    return ((values.astype(np.int32) - shift) * scale).astype(np.float32)
