"""What the last operators of an ONNX graph say about the numbers that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PASSING = (
    "Cast", "DequantizeLinear", "Flatten", "GlobalAveragePool", "Identity", "QuantizeLinear",
    "Reshape", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operators that change the form of numbers, not what they mean: a mean has the same limits."""

_LAYERS = (
    "BatchNormalization", "Conv", "Gemm", "LayerNormalization", "MatMul", "QGemm",
    "QLinearMatMul", "Relu",
)  # fmt: skip
"""Operators whose results have no limit, so that they are not probabilities."""

_SOFTMAXES = ("QLinearSoftmax", "Softmax")


def last_operator(graph: Any, tensor: str) -> str:
    """Return the operator that computes a tensor, before those that only change its form."""
    node = _maker(_makers(graph), tensor)
    return "" if node is None else str(node.op_type)


def ends_in_a_softmax(graph: Any, tensor: str) -> bool:
    """Tell whether the numbers are probabilities of one choice, whatever their sum."""
    return last_operator(graph, tensor) in _SOFTMAXES


def ends_in_a_layer(graph: Any, tensor: str) -> bool:
    """Tell whether a tensor is what a layer returns, perhaps with a bias, without an activation."""
    makers = _makers(graph)
    node = _maker(makers, tensor)
    if node is not None and node.op_type == "Add":
        made = (_maker(makers, name) for name in node.input)
        return any(one is not None and one.op_type in _LAYERS for one in made)
    return node is not None and node.op_type in _LAYERS


def _makers(graph: Any) -> Mapping[str, Any]:
    return {name: node for node in graph.node for name in node.output}


def _maker(makers: Mapping[str, Any], tensor: str) -> Any:
    node = makers.get(tensor)
    while node is not None and node.op_type in _PASSING:
        node = makers.get(node.input[0])
    return node
