"""Rewrites what exporters leave in an ONNX graph and onnxruntime or TVM does not accept."""

from __future__ import annotations

from typing import Any

import onnx

_SCATTERS = ("ScatterND", "ScatterElements")


def tidied(model: Any) -> Any:
    """Return ``model`` with its nodes in order, types inferred again, and no attribute too many.

    Converters to float16 leave the types of inner tensors as they were, and some tools append
    nodes. TVM refuses ``reduction="none"``, which is what the attribute's absence means. Older
    exporters list the weights among the inputs, and onnxruntime leaves those that it does not need.
    """
    _only_real_inputs(model)
    _sort(model.graph)
    for node in model.graph.node:
        if node.op_type in _SCATTERS:
            for attribute in list(node.attribute):
                if attribute.name == "reduction" and attribute.s == b"none":
                    node.attribute.remove(attribute)
    return with_types(model)


def with_types(model: Any) -> Any:
    """Return ``model`` with the types and shapes of its tensors inferred again."""
    if model.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF:
        return model
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model)


def _only_real_inputs(model: Any) -> None:
    """Remove weights from the inputs, which IR version 4 permits."""
    weights = {one.name for one in model.graph.initializer}
    for one in [one for one in model.graph.input if one.name in weights]:
        model.graph.input.remove(one)
        model.ir_version = max(model.ir_version, 4)


def _sort(graph: Any) -> None:
    """Put each node behind those whose outputs it uses; leave a graph with a cycle as it is."""
    made = {name for node in graph.node for name in node.output if name}
    if _in_order(graph, made):
        return
    waiting, ordered, known = list(graph.node), [], set()
    while waiting:
        ready = [n for n in waiting if all(i not in made or i in known for i in _used(n))]
        if not ready:
            return
        ordered += ready
        known |= {name for node in ready for name in node.output}
        taken = {id(node) for node in ready}
        waiting = [node for node in waiting if id(node) not in taken]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _in_order(graph: Any, made: set[str]) -> bool:
    known: set[str] = set()
    for node in graph.node:
        if any(name in made and name not in known for name in _used(node)):
            return False
        known |= set(node.output)
    return True


def _used(node: Any) -> list[str]:
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [*node.input, *(name for one in graphs for inner in one.node for name in inner.input)]
