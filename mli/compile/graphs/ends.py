"""Gives a graph the types at its ends that a core works with: float32 or uint8 in, float32 out."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper

from .side_inputs import beside_an_image

_REAL = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_WHOLE = (TensorProto.INT32, TensorProto.INT64, TensorProto.UINT16)
_BYTES = (TensorProto.UINT8, TensorProto.INT8)
_SCALES = {
    "QuantizeLinear": (1, 2),
    "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7),
    "QLinearSigmoid": (3, 4),
    "QLinearSoftmax": (3, 4),
    "QGemm": (7, 8),
}
"""Where an operator that returns bytes takes the scale and the zero point of what they mean.

https://onnx.ai/onnx/operators/, and onnxruntime's own operators for the last three.
"""


def with_usual_ends(model: Any) -> Any:
    """Return ``model`` with nodes at its ends that convert them; it is changed in place.

    A float16 or float64 image becomes float32, one of other whole numbers uint8. Outputs become
    float32; quantised ones get the values that they stand for. Other whole numbers stay, such as
    class ids.
    """
    graph = model.graph
    constants = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    beside = beside_an_image(inputs)
    for one in inputs:
        kind = one.type.tensor_type.elem_type
        if one not in beside and kind in (*_REAL, *_WHOLE):
            one.type.tensor_type.elem_type = (
                TensorProto.FLOAT if kind in _REAL else TensorProto.UINT8
            )
            inner = f"{one.name}/converted"
            _rename(graph, one.name, inner, outputs=False)
            graph.node.insert(0, helper.make_node("Cast", [one.name], [inner], to=kind))
    made_by = {name: node for node in graph.node for name in node.output}
    for one in graph.output:
        kind, maker = one.type.tensor_type.elem_type, made_by.get(one.name)
        if maker is None:
            continue
        inner = f"{one.name}/unconverted"
        if kind in _REAL:
            ending = helper.make_node("Cast", [inner], [one.name], to=TensorProto.FLOAT)
        elif kind in _BYTES and maker.op_type in _SCALES:
            meaning = [maker.input[at] for at in _SCALES[maker.op_type] if at < len(maker.input)]
            ending = helper.make_node("DequantizeLinear", [inner, *meaning], [one.name])
        else:
            continue
        _rename(graph, one.name, inner, outputs=True)
        graph.node.append(ending)
        one.type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def _rename(graph: Any, old: str, new: str, *, outputs: bool) -> None:
    """Rename a tensor in all nodes, and in the branches of control nodes."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        if outputs:
            node.output[:] = [new if name == old else name for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, old, new, outputs=False)
