"""The one suppression that a graph may end in: its rule, and whether it is of all that counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import onnx

from .reading import Source, constants_of

_X_FIRST = ("paddlepaddle", "pytorch")
"""Exporters whose boxes have x before y."""
_FORMS = (
    "Cast", "Clip", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose",
    "Unsqueeze",
)  # fmt: skip
"""Operators that change the form of a tensor, where all else that they take is constant."""


def suppression_node(source: Source) -> Any:
    """Return the NonMaxSuppression node of a graph; None unless it has exactly one."""
    nodes = [n for n in source.model.graph.node if n.op_type == "NonMaxSuppression"]
    return nodes[0] if len(nodes) == 1 else None


def with_its_rule(source: Source, node: Any) -> Source:
    """Use the box order and the thresholds of a NonMaxSuppression node.

    https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html: y before x, unless
    ``center_point_box`` is set; a threshold that is left out is 0. Overlaps are the same with x
    before y, so that PyTorch and PaddlePaddle give the node their own boxes.
    """
    centred = any(one.name == "center_point_box" and one.i for one in node.attribute)
    corners = "xyxy" if source.model.producer_name.lower() in _X_FIRST else "yxyx"
    constants = constants_of(source.model)
    iou, score = ((*node.input, "", "")[place] for place in (3, 4))
    return replace(
        source,
        box_order="cxcywh" if centred else corners,
        iou_threshold=_number(constants, iou),
        score_threshold=_number(constants, score),
    )


def _number(constants: Mapping[str, Any], name: str) -> float | None:
    """Return a constant of one number, 0 if it is missing, None if it is computed."""
    if not name:
        return 0.0
    if name not in constants:
        return None
    return float(onnx.numpy_helper.to_array(constants[name]).reshape(-1)[0])


def needs_more(source: Source, node: Any) -> bool:
    """Tell whether what is kept needs more of the image than boxes and scores of the suppression.

    Outputs that the suppression does not change, such as all boxes, do not count. With scores of
    one class this says that the class was chosen before, and that boxes may have been moved apart
    by their classes, as torchvision does it.
    """
    makers = {name: one for one in source.model.graph.node for name in one.output}
    computed = _depending_on(source, {source.input})
    kept = _depending_on(source, set(node.output))
    known: set[str] = set()
    for name in node.input[:2]:
        known |= _same(name, makers, computed)
    waiting, seen = [name for name in source.outputs if name in kept], set(known)
    while waiting:
        name = waiting.pop()
        if name == source.input:
            return True
        maker = makers.get(name)
        if name not in seen and maker is not None and maker.op_type not in ("Shape", "Size"):
            seen.add(name)
            waiting += used(maker)
    return False


def _depending_on(source: Source, names: set[str]) -> set[str]:
    """Return tensors and those that depend on their values; ONNX keeps nodes in their order."""
    found = set(names)
    for node in source.model.graph.node:
        if node.op_type not in ("Shape", "Size") and found.intersection(used(node)):
            found.update(node.output)
    return found


def _same(name: str, makers: Mapping[str, Any], computed: set[str]) -> set[str]:
    """Return a tensor and those that it is only another form of."""
    found = {name}
    node = makers.get(name)
    while node is not None and node.op_type in _FORMS:
        if computed.intersection(node.input[1:]):
            break
        name = node.input[0]
        found.add(name)
        node = makers.get(name)
    return found


def used(node: Any) -> list[str]:
    """Return the tensors that a node uses, with those of the branches of a control node."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [*node.input, *(name for one in graphs for inner in one.node for name in used(inner))]
