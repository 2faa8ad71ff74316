"""Converts the outputs of a detector or classifier into the one form that both engines get.

The rule exists twice: as nodes for the graph that is compiled, and in NumPy for what onnxruntime
returns from the original graph, so that a mistake in one does not verify itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .reading import GraphError, Source
from .tidy import with_types

BOX_ORDERS = ("xyxy", "yxyx", "cxcywh")
SCORES, BOXES = "head/scores", "head/boxes"
"""The names of the outputs."""

_FRACTIONS_UP_TO = 8.0
"""Anchors reach beyond the image, but not by this many times its side."""
_MOST_TURNED = 0.3


@dataclass(frozen=True)
class Form:
    """The form of a model's outputs, and what is applied to them."""

    softmax: bool = False
    background: bool = False
    box_units: str = "pixels"
    box_order: str = "xyxy"


def box_units(boxes: Any) -> str:
    """Return whether boxes are in pixels or in fractions of the image."""
    return "fractions" if float(np.abs(boxes).max()) <= _FRACTIONS_UP_TO else "pixels"


def expected(source: Source, form: Form, outputs: Sequence[Any]) -> dict[str, Any]:
    """Return the expected outputs before suppression, from onnxruntime's ``outputs``.

    Raises:
        GraphError: if the outputs are not of the given form.
    """
    arrays = dict(zip([o.name for o in source.model.graph.output], outputs, strict=True))
    scores = arrays[source.scores].astype(np.float64)
    if not source.boxes:
        scores = scores.reshape(1, -1)
        return {"scores": (_softmax(scores) if form.softmax else scores).astype(np.float32)}
    if source.classes_first:
        scores = scores.swapaxes(1, 2)
    if form.softmax:
        scores = _softmax(scores)
    elif scores.min() < -1e-3 or scores.max() > 1 + 1e-3:
        raise GraphError(
            f"the scores go from {scores.min():.4g} to {scores.max():.4g}, so they are not "
            "probabilities: add --softmax; if they need a sigmoid, as RT-DETR's, name the family "
            "with --preset"
        )
    if form.background:
        scores = scores[:, :, 1:]
    boxes = arrays[source.boxes].astype(np.float64)
    if form.box_order == "yxyx":
        boxes = boxes[:, :, [1, 0, 3, 2]]
    elif form.box_order == "cxcywh":
        centre, half = boxes[:, :, :2], boxes[:, :, 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], axis=2)
    turned = float(((boxes[:, :, 2:] - boxes[:, :, :2]) < 0).any(axis=2).mean())
    if turned > _MOST_TURNED:
        raise GraphError(
            f"{turned:.0%} of the boxes end before they begin, so their order is not "
            f"{form.box_order}: choose another --box-order ({', '.join(BOX_ORDERS)})"
        )
    if form.box_units == "fractions":
        boxes = boxes * np.array(source.size * 2)
    return {"scores": scores.astype(np.float32), "boxes": boxes.astype(np.float32)}


def _softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def canonical(source: Source, form: Form, classes: int) -> Any:
    """Return the model with its outputs in the compiled form.

    A classifier's is ``SCORES`` [1,K], a detector's ``SCORES`` [1,A,C] and ``BOXES`` [1,A,4] as
    xmin, ymin, xmax, ymax in input pixels. Outputs that the core decodes stay, as float32.
    """
    tail = _Tail(source.model)
    if not source.scores:
        return tail.ended([tail.as_float(one) for one in source.model.graph.output])
    scores = source.scores
    if not source.boxes:
        scores = tail.node("Reshape", scores, tail.constant([1, -1], np.int64))
    if source.classes_first:
        scores = tail.node("Transpose", scores, perm=[0, 2, 1])
    if form.softmax:
        scores = tail.node("Softmax", scores, axis=2 if source.boxes else 1)
    if form.background:
        columns = tail.constant(list(range(1, classes + 1)), np.int64)
        scores = tail.node("Gather", scores, columns, axis=2)
    if not source.boxes:
        return tail.ended([tail.named(SCORES, scores)])
    boxes, matrix = source.boxes, _box_matrix(form, source.size)
    if not np.array_equal(matrix, np.eye(4)):
        boxes = tail.node("MatMul", boxes, tail.constant(matrix, np.float32))
    return tail.ended([tail.named(SCORES, scores), tail.named(BOXES, boxes)])


def _box_matrix(form: Form, size: tuple[int, int]) -> Any:
    """Return the matrix that boxes [A,4] are multiplied by: order and unit are a linear change."""
    order = {
        "xyxy": np.eye(4),
        "yxyx": np.eye(4)[[1, 0, 3, 2]],
        "cxcywh": np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]]),
    }[form.box_order]
    return order * np.array(size * 2) if form.box_units == "fractions" else order


class _Tail:
    """Appends nodes to a copy of a model."""

    def __init__(self, model: Any) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._count = 0

    def constant(self, values: Any, dtype: Any) -> str:
        name = self._name()
        array = numpy_helper.from_array(np.array(values, dtype), name)
        self._model.graph.initializer.append(array)
        return name

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        name = self._name()
        created = helper.make_node(operation, list(inputs), [name], name=name, **attributes)
        self._model.graph.node.append(created)
        return name

    def named(self, name: str, tensor: str) -> str:
        """Give a tensor the name of an output."""
        self._model.graph.node.append(helper.make_node("Identity", [tensor], [name]))
        return name

    def as_float(self, output: Any) -> str:
        """Return an output's name, or that of its values as float32."""
        if output.type.tensor_type.elem_type == TensorProto.FLOAT:
            return str(output.name)
        return self.node("Cast", output.name, to=TensorProto.FLOAT)

    def ended(self, outputs: list[str]) -> Any:
        del self._model.graph.output[:]
        created = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        self._model.graph.output.extend(created)
        return with_types(self._model)

    def _name(self) -> str:
        self._count += 1
        return f"canonical_{self._count}"
