"""The heads of a graph: which tensors are scores and boxes, and the graph cut behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .ends import with_usual_ends
from .reading import GraphError, Source, noise, run
from .suppressed import needs_more, suppression_node, used, with_its_rule
from .tidy import with_types

SUPPORTED = (
    "a classifier with one output [1,K] (--scores names one of several); a detector with scores "
    "[1,A,C] or [1,C,A] and boxes [1,A,4]; a detector with one NonMaxSuppression node of such "
    "inputs; or any output that --preset or --profile describes"
)


class UnknownHeadError(GraphError):
    """Outputs that say by their shapes alone neither classes nor boxes with scores."""


def choose_outputs(source: Source, scores: str | None, boxes: str | None) -> Source:
    """Choose the tensors of ``source`` that are scores and boxes, and cut the graph behind them.

    Raises:
        GraphError: if they are ambiguous, or not supported.
    """
    if scores or boxes:
        source = cut_at(source, scores, boxes)
        return _named(source, _outputs(source), scores, boxes)
    suppression = suppression_node(source)
    if suppression is not None:
        ends = [suppression.input[1], suppression.input[0]]
        cut = _cut(with_its_rule(source, suppression), ends)
        arrays = _outputs(cut)
        is_of_one_class = arrays[ends[0]].shape[1:2] == (1,)
        if not (is_of_one_class and needs_more(source, suppression)):
            return _named(cut, arrays, None, None)
    return _named(source, _outputs(source), None, None)


def cut_at(source: Source, scores: str | None, boxes: str | None) -> Source:
    """Cut the graph behind tensors that the user names.

    Raises:
        GraphError: if there is no such tensor.
    """
    chosen = [name for name in (scores, boxes) if name]
    known = {name for node in source.model.graph.node for name in node.output}
    for name in chosen:
        if name not in known:
            listed = ", ".join(source.outputs) or "none"
            raise GraphError(f"the model has no tensor {name}; its outputs are {listed}")
    return _cut(source, chosen)


def _outputs(source: Source) -> dict[str, Any]:
    """Return by name what the model returns for noise."""
    return dict(zip(source.outputs, run(source, noise(source)), strict=True))


def _named(source: Source, arrays: dict[str, Any], scores: str | None, boxes: str | None) -> Source:
    """Decide by their shapes which of ``arrays`` are scores and boxes."""
    names, shapes = list(arrays), {name: array.shape for name, array in arrays.items()}
    found = listed(arrays)
    is_real = all(array.dtype == np.float32 for array in arrays.values())
    if len(names) == 1 and not boxes and is_real:
        (shape,) = shapes.values()
        if shape[:1] == (1,) and max(shape) == arrays[names[0]].size:
            return replace(source, scores=names[0])
    elif len(names) == 2 and is_real:
        pairs = [(scores, boxes)] if scores and boxes else [tuple(names), tuple(names[::-1])]
        fits = [pair for pair in pairs if _is_detector(shapes[pair[0]], shapes[pair[1]])]
        if len(fits) == 1 or (fits and source.cut):
            first, second = fits[0]
            return _detector(source, first, second, shapes)
        if fits:
            raise GraphError(f"outputs {found}: say which is which with --scores and --boxes")
    raise UnknownHeadError(f"outputs {found}: not supported. Supported are: {SUPPORTED}")


def listed(arrays: Mapping[str, Any]) -> str:
    """Return names, types and shapes of outputs for a message."""
    return ", ".join(f"{name} {a.dtype} {list(a.shape)}" for name, a in arrays.items()) or "none"


def _is_detector(scores: tuple[int, ...], boxes: tuple[int, ...]) -> bool:
    """Tell whether shapes are those of scores and boxes; the axis of one image may be missing."""
    scores, boxes = (shape if len(shape) == 3 else (1, *shape) for shape in (scores, boxes))
    if len(scores) != 3 or len(boxes) != 3 or scores[0] != 1 or boxes[0] != 1 or boxes[2] != 4:
        return False
    return boxes[1] > 1 and boxes[1] in scores[1:]


def _detector(
    source: Source, scores: str, boxes: str, shapes: Mapping[str, tuple[int, ...]]
) -> Source:
    """Return the source with its scores and boxes, both with an axis for the one image."""
    first, second = (
        name if len(shapes[name]) == 3 else f"{name}/of_one_image" for name in (scores, boxes)
    )
    extents = {first: (1, *shapes[scores])[-3:], second: (1, *shapes[boxes])[-3:]}
    if (first, second) != (scores, boxes):
        source = _with_an_axis(source, {scores: first, boxes: second}, extents)
    classes_first = extents[first][1] != extents[second][1]
    return replace(source, scores=first, boxes=second, classes_first=classes_first)


def _with_an_axis(
    source: Source, names: Mapping[str, str], extents: Mapping[str, tuple[int, ...]]
) -> Source:
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    for one in model.graph.output:
        old, new = one.name, names[one.name]
        if old != new:
            shape = numpy_helper.from_array(np.array(extents[new], np.int64), f"{new}/shape")
            model.graph.initializer.append(shape)
            model.graph.node.append(helper.make_node("Reshape", [old, shape.name], [new]))
            one.CopyFrom(helper.make_tensor_value_info(new, onnx.TensorProto.FLOAT, extents[new]))
    return replace(source, model=model)


def _cut(source: Source, ends: list[str]) -> Source:
    model = with_types(with_usual_ends(_ending_in(source.model, ends)))
    return replace(source, model=model, cut=ends != source.outputs)


def _ending_in(model: Any, outputs: list[str]) -> Any:
    """Return a copy of ``model`` that ends in the tensors ``outputs``, with what they need."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    made_by = {name: node for node in cut.graph.node for name in node.output}
    wanted, needed = list(outputs), set()
    while wanted:
        node = made_by.get(wanted.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            wanted += used(node)
    nodes = [node for node in cut.graph.node if id(node) in needed]
    known = {one.name: one for one in [*cut.graph.output, *cut.graph.value_info]}
    created = [known.get(n) or helper.make_tensor_value_info(n, 1, None) for n in outputs]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    created = [onnx.ValueInfoProto.FromString(one.SerializeToString()) for one in created]
    del cut.graph.node[:]
    del cut.graph.output[:]
    cut.graph.node.extend(kept)
    cut.graph.output.extend(created)
    return cut
