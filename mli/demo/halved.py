"""Halves the weights of an ONNX model where they are stored; it computes in float32 as before."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from models.packing import LARGE


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose large float32 weights are float16, each followed by a Cast.

    These are the weights that ``models.packing`` rounds for DLR, so that both runtimes compute
    with the same numbers. ONNX Runtime casts them once, when it loads the model.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for tensor in halved.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= LARGE:
            name, stored = tensor.name, f"{tensor.name}.float16"
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    onnx.checker.check_model(halved)
    return halved
