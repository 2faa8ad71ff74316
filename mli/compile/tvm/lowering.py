"""Replaces operators that TVM's ONNX frontend reads wrongly, or not at all, by ones it reads.

Only the graph that is compiled is rewritten. onnxruntime runs the original model, so a mistake
here is found when the artifact is verified. https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..graphs.reading import Source, constants_of, noise, run

_REDUCTIONS = {
    f"Reduce{kind}"
    for kind in (
        "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare",
    )
}  # fmt: skip


def lowered(source: Source, model: Any) -> Any:
    """Return a copy of ``model`` whose operators TVM 0.16's frontend reads correctly.

    ``model`` is ``source``'s, perhaps with other outputs. These are replaced:

    - a reduction whose axes are an input (opset 13 and 18): the frontend reads the first axis only;
    - MatMul of more than two axes by a matrix: of three axes the frontend makes a product for which
      a transformer takes eight times as long, of more one that fails;
    - GroupNormalization (opset 18 and 21): the frontend lacks it;
    - Split into unequal parts by ``num_outputs`` (opset 18): the frontend divides evenly;
    - GridSample with the mode names of opset 20.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return _Lowering(source, copy).model


class _Lowering:
    """Visits the nodes of ``model`` once, and replaces some of them."""

    def __init__(self, source: Source, model: Any) -> None:
        self.model = model
        self._constants = constants_of(model)
        self._count = 0
        rules: dict[str, Callable[[Any], Iterable[Any]]] = {
            "MatMul": self._matmul,
            "GroupNormalization": self._group_normalization,
            "Split": self._split,
            "GridSample": self._grid_sample,
            **dict.fromkeys(_REDUCTIONS, self._reduction),
        }
        self._shapes = _shapes(source, model, rules)
        nodes = list(model.graph.node)
        produced = [
            onnx.NodeProto.FromString(one.SerializeToString())
            for node in nodes
            for one in (rules[node.op_type](node) if node.op_type in rules else [node])
        ]
        del model.graph.node[:]
        model.graph.node.extend(produced)

    def _reduction(self, node: Any) -> list[Any]:
        if len(node.input) < 2 or node.input[1] not in self._constants:
            return [node]
        axes = numpy_helper.to_array(self._constants[node.input[1]]).reshape(-1).tolist()
        attributes = _attributes(node)
        if not axes and attributes.get("noop_with_empty_axes"):
            return [helper.make_node("Identity", [node.input[0]], list(node.output))]
        kept = {"keepdims": attributes.get("keepdims", 1)}
        if axes:
            kept["axes"] = axes
        return [helper.make_node(node.op_type, [node.input[0]], list(node.output), **kept)]

    def _matmul(self, node: Any) -> list[Any]:
        left, right = (self._shapes.get(name) for name in node.input)
        if left is None or right is None or len(left) <= 2 or len(right) != 2:
            return [node]
        flat, product = self._name(), self._name()
        rows, shape = self._constant([-1, left[-1]]), self._constant([*left[:-1], right[1]])
        return [
            helper.make_node("Reshape", [node.input[0], rows], [flat]),
            helper.make_node("MatMul", [flat, node.input[1]], [product]),
            helper.make_node("Reshape", [product, shape], list(node.output)),
        ]

    def _group_normalization(self, node: Any) -> list[Any]:
        image, scale, bias = node.input
        attributes = _attributes(node)
        shape, weights = self._shapes.get(image), self._shapes.get(scale)
        if shape is None or weights is None:
            return [node]
        groups, channels = attributes["num_groups"], shape[1]
        ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        split, normal, whole, scaled = (self._name() for _ in range(4))
        nodes = [
            helper.make_node("Reshape", [image, self._constant([shape[0], groups, -1])], [split]),
            helper.make_node(
                "InstanceNormalization", [split, self._constant(ones), self._constant(zeros)],
                [normal], epsilon=attributes.get("epsilon", 1e-5),
            ),
            helper.make_node("Reshape", [normal, self._constant(shape)], [whole]),
        ]  # fmt: skip
        factors = []
        for values in (scale, bias):
            name, column = values, self._name()
            if weights[0] != channels:  # opset 18: one value per group
                rows, spread, name = (self._name() for _ in range(3))
                nodes += [
                    helper.make_node("Reshape", [values, self._constant([groups, 1])], [rows]),
                    helper.make_node(
                        "Expand", [rows, self._constant([groups, channels // groups])], [spread]
                    ),
                    helper.make_node("Reshape", [spread, self._constant([-1])], [name]),
                ]
            aligned = [channels] + [1] * (len(shape) - 2)
            nodes.append(helper.make_node("Reshape", [name, self._constant(aligned)], [column]))
            factors.append(column)
        return [
            *nodes,
            helper.make_node("Mul", [whole, factors[0]], [scaled]),
            helper.make_node("Add", [scaled, factors[1]], list(node.output)),
        ]

    def _split(self, node: Any) -> list[Any]:
        attributes = _attributes(node)
        shape = self._shapes.get(node.input[0])
        parts = attributes.get("num_outputs")
        if parts is None or shape is None:
            return [node]
        axis = attributes.get("axis", 0)
        extent = shape[axis]
        if extent % parts == 0:
            return [node]
        part = -(-extent // parts)
        sizes = [part] * (parts - 1) + [extent - part * (parts - 1)]
        inputs = [node.input[0], self._constant(sizes)]
        return [helper.make_node("Split", inputs, list(node.output), axis=axis)]

    def _grid_sample(self, node: Any) -> list[Any]:
        attributes = _attributes(node)
        mode = attributes.get("mode", b"linear").decode()
        attributes["mode"] = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
        return [helper.make_node("GridSample", list(node.input), list(node.output), **attributes)]

    def _constant(self, values: Any) -> str:
        name = self._name()
        array = np.asarray(values)
        if array.dtype != np.float32:
            array = array.astype(np.int64)
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def _name(self) -> str:
        self._count += 1
        return f"lowered/{self._count}"


def _attributes(node: Any) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _shapes(source: Source, model: Any, operators: Container[str]) -> dict[str, list[int]]:
    """Return the shapes of the inputs of nodes of ``operators``, by a run on noise.

    ONNX's own inference stops at the first operator that it cannot infer.
    """
    shapes = {one.name: list(one.dims) for one in model.graph.initializer}
    wanted = {n for node in model.graph.node if node.op_type in operators for n in node.input if n}
    produced = {name for node in model.graph.node for name in node.output}
    names = sorted(wanted & produced)
    if names:
        watched = onnx.ModelProto()
        watched.CopyFrom(model)
        del watched.graph.output[:]
        watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
        arrays = run(replace(source, model=watched), noise(source))
        shapes.update({name: list(a.shape) for name, a in zip(names, arrays, strict=True)})
    shapes[source.input] = list(source.shape)
    return shapes
