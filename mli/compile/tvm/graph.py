"""ONNX models: read, checked, and cut to what can be compiled. Runs in TVM's environment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from ...errors import MliError
from .tidy import tidied

SUPPORTED = (
    "a classifier with one output [1,K]; a detector with scores [1,A,C] or [1,C,A] and boxes "
    "[1,A,4]; or a detector with one NonMaxSuppression node of such inputs"
)
_DTYPES = {TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8"}
_CHANNELS = (1, 3)


class GraphError(MliError):
    """An ONNX model that cannot be compiled."""


@dataclass(frozen=True)
class Source:
    """An ONNX model to compile: the graph, its one input, and the tensors that were chosen.

    A classifier has no ``boxes``. ``classes_first`` says that the scores are [1,C,A]. A graph that
    was cut at its NonMaxSuppression node has that node's ``box_order``, and its thresholds if they
    are constants.
    """

    model: Any
    input: str
    shape: tuple[int, ...]
    dtype: str
    scores: str = ""
    boxes: str = ""
    classes_first: bool = False
    cut: bool = False
    box_order: str = "xyxy"
    iou_threshold: float | None = None
    score_threshold: float | None = None

    @property
    def layout(self) -> str:
        """NCHW or NHWC, by the axis that has the size of colour channels."""
        return "NCHW" if self.shape[1] in _CHANNELS else "NHWC"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input image."""
        height, width = self.shape[2:] if self.layout == "NCHW" else self.shape[1:3]
        return width, height


def read_model(path: Path, shape: Sequence[int] | None) -> Source:
    """Read and check the model at ``path``; ``shape`` fixes an open input shape.

    Raises:
        GraphError: if it is damaged, or its input is not one image.
    """
    try:
        model = tidied(onnx.load(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's exceptions have no common base
        raise GraphError(f"{path.name} is not a valid ONNX model: {first_line(error)}") from None
    constants = {constant.name for constant in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs) or "none"
        raise GraphError(f"the model has the inputs {names}; it must have one, an image")
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in _DTYPES:
        found = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise GraphError(f"input {inputs[0].name} is {found}; it must be float32 or uint8")
    extents = _fixed(inputs[0].name, tensor.shape.dim, shape)
    for dimension, extent in zip(tensor.shape.dim, extents, strict=True):
        dimension.dim_value = extent
    return Source(model, inputs[0].name, extents, _DTYPES[tensor.elem_type])


def _fixed(name: str, dimensions: Any, shape: Sequence[int] | None) -> tuple[int, ...]:
    declared = [d.dim_value if d.HasField("dim_value") else 0 for d in dimensions]
    if shape is not None:
        if len(shape) != len(declared) or any(
            a > 0 and a != b for a, b in zip(declared, shape, strict=True)
        ):
            raise GraphError(f"input {name} is {declared}, which --input-shape cannot change")
        declared = list(shape)
    if declared and declared[0] <= 0:
        declared[0] = 1
    if len(declared) != 4 or declared[0] != 1:
        raise GraphError(
            f"input {name} is {declared}; it must be one image, [1,3,H,W] or [1,H,W,3]"
        )
    if min(declared) <= 0:
        shown = "x".join(str(max(d, 0)) if d > 0 else "?" for d in declared)
        raise GraphError(f"input {name} is {shown}; fix its size with --input-shape 1,3,224,224")
    if declared[1] not in _CHANNELS and declared[3] not in _CHANNELS:
        raise GraphError(f"input {name} is {declared}, which has no axis of 1 or 3 colours")
    return tuple(declared)


def choose_outputs(source: Source, scores: str | None, boxes: str | None) -> Source:
    """Choose the tensors of ``source`` that are scores and boxes, and cut the graph behind them.

    Raises:
        GraphError: if they are ambiguous, or not supported.
    """
    given = [output.name for output in source.model.graph.output]
    suppression = _suppression_node(source)
    if scores or boxes:
        chosen = [name for name in (scores, boxes) if name]
        known = {name for node in source.model.graph.node for name in node.output}
        for name in chosen:
            if name not in known:
                raise GraphError(
                    f"the model has no tensor {name}; its outputs are {_listed(given)}"
                )
    elif suppression is not None:
        chosen = [suppression.input[1], suppression.input[0]]
        source = _with_its_rule(source, suppression)
    else:
        chosen = given
    cut = replace(source, model=_cut(source.model, chosen), cut=chosen != given)
    arrays = dict(zip(chosen, run(cut, noise(cut)), strict=True))
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise GraphError(f"output {name} is {array.dtype}; it must be float32 ({SUPPORTED})")
    return _named(cut, arrays, scores, boxes)


def _suppression_node(source: Source) -> Any:
    nodes = [n for n in source.model.graph.node if n.op_type == "NonMaxSuppression"]
    return nodes[0] if len(nodes) == 1 else None


def _with_its_rule(source: Source, node: Any) -> Source:
    """Use the box order and the thresholds of a NonMaxSuppression node.

    https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html: y before x, unless
    ``center_point_box`` is set; a threshold that is left out is 0.
    """
    centred = any(one.name == "center_point_box" and one.i for one in node.attribute)
    constants = constants_of(source.model)
    iou, score = ((*node.input, "", "")[place] for place in (3, 4))
    return replace(
        source,
        box_order="cxcywh" if centred else "yxyx",
        iou_threshold=_number(constants, iou),
        score_threshold=_number(constants, score),
    )


def constants_of(model: Any) -> dict[str, Any]:
    """Return the constant tensors of a graph by their names."""
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    return constants


def _number(constants: Mapping[str, Any], name: str) -> float | None:
    """Return a constant of one number, 0 if it is missing, None if it is computed."""
    if not name:
        return 0.0
    if name not in constants:
        return None
    return float(onnx.numpy_helper.to_array(constants[name]).reshape(-1)[0])


def _named(source: Source, arrays: dict[str, Any], scores: str | None, boxes: str | None) -> Source:
    """Decide by their shapes which of ``arrays`` are scores and boxes."""
    shapes = {name: array.shape for name, array in arrays.items()}
    names = list(shapes)
    found = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    if len(names) == 1 and not boxes:
        if shapes[names[0]][:1] == (1,) and max(shapes[names[0]]) == arrays[names[0]].size > 1:
            return replace(source, scores=names[0])
    elif len(names) == 2:
        pairs = [(scores, boxes)] if scores and boxes else [tuple(names), tuple(names[::-1])]
        fits = [pair for pair in pairs if _is_detector(shapes[pair[0]], shapes[pair[1]])]
        if len(fits) == 1 or (fits and source.cut):
            first, second = fits[0]
            classes_first = shapes[first][1] != shapes[second][1]
            return replace(source, scores=first, boxes=second, classes_first=classes_first)
        if fits:
            raise GraphError(f"outputs {found}: say which is which with --scores and --boxes")
    raise GraphError(f"outputs {found}: not supported. Supported are: {SUPPORTED}")


def _is_detector(scores: tuple[int, ...], boxes: tuple[int, ...]) -> bool:
    if len(scores) != 3 or len(boxes) != 3 or scores[0] != 1 or boxes[0] != 1 or boxes[2] != 4:
        return False
    return boxes[1] > 1 and boxes[1] in scores[1:]


def _cut(model: Any, outputs: list[str]) -> Any:
    """Return a copy of ``model`` that ends in the tensors ``outputs``, with what they need."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    made_by = {name: node for node in cut.graph.node for name in node.output}
    wanted, needed = list(outputs), set()
    while wanted:
        node = made_by.get(wanted.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            wanted += [*node.input, *_outer_names(node)]
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


def _outer_names(node: Any) -> list[str]:
    """Return the names that the branches of a control node use."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [name for graph in graphs for inner in graph.node for name in inner.input]


def noise(source: Source) -> Any:
    """Return an input of the model's shape that is always the same noise."""
    generator = np.random.default_rng(7)
    if source.dtype == "uint8":
        return generator.integers(0, 256, source.shape, np.uint8)
    return generator.standard_normal(source.shape, np.float32)


def run(source: Source, tensor: Any) -> list[Any]:
    """Return the model's outputs for ``tensor`` by onnxruntime.

    Raises:
        GraphError: if onnxruntime refuses the model.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            source.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return list(session.run(None, {source.input: tensor}))
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise GraphError(f"onnxruntime cannot run the model: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text that explains it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    with contextlib.suppress(StopIteration):
        return next(line for line in lines if "rror" in line or "not " in line)[:300]
    return (lines or [type(error).__name__])[0][:300]


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
