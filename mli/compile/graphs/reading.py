"""ONNX models: read, checked, and given a fixed input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

from inference.model.artifacts.onnx_files import weight_files
from inference.model.engines.onnx_failure import why_not_loaded, why_not_onnx, without_positions

from ...errors import MliError
from .ends import with_usual_ends
from .side_inputs import beside_an_image, with_constants
from .tidy import tidied, with_types

_DTYPES = {TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8"}
_CHANNELS = (1, 3)


class GraphError(MliError):
    """An ONNX model that cannot be compiled."""


@dataclass(frozen=True)
class Source:
    """An ONNX model to compile: the graph, its one input, and the tensors that were chosen.

    A classifier has no ``boxes``; a graph whose outputs the core decodes has no ``scores`` either.
    ``classes_first`` says that the scores are [1,C,A]. A graph that was cut at its
    NonMaxSuppression node has that node's ``box_order``, and its thresholds if they are constants.
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
    def kind(self) -> str:
        """``ssd`` with scores and boxes, ``classification`` with scores, else ``raw``."""
        return "ssd" if self.boxes else "classification" if self.scores else "raw"

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs in their order."""
        return [one.name for one in self.model.graph.output]

    @property
    def layout(self) -> str:
        """NCHW or NHWC, by the axis that has the size of colour channels."""
        return "NCHW" if self.shape[1] in _CHANNELS else "NHWC"

    @property
    def input_fields(self) -> dict[str, Any]:
        """What a profile says about this input beside its pixels."""
        return {
            "name": self.input,
            "shape": list(self.shape),
            "layout": self.layout,
            "dtype": self.dtype,
        }

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input image."""
        height, width = self.shape[2:] if self.layout == "NCHW" else self.shape[1:3]
        return width, height


def load_model(path: Path) -> Any:
    """Load and check the ONNX model at ``path``, with usual types at its ends and nodes in order.

    Raises:
        GraphError: if it is damaged, or too large.
    """
    parsed = None
    with contextlib.suppress(Exception):  # protobuf's exceptions have no common base
        parsed = onnx.load(path, load_external_data=False)
    if parsed is None or not parsed.ir_version:
        raise GraphError(f"{path.name} is not a valid ONNX model: {why_not_onnx(path)}")
    _check_ends(parsed)
    try:
        model = tidied(with_usual_ends(onnx.load(path)))
        is_too_large = model.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF
        if not is_too_large:
            check_graph(model)
    except Exception as error:  # protobuf's and the checker's exceptions have no common base
        reason = _reason_of_engine(path) or first_line(error)
        raise GraphError(f"{path.name} is not a valid ONNX model: {reason}") from None
    if is_too_large:
        raise GraphError(f"{path.name} is larger than 2 GB, more than a core can use")
    return model


def _check_ends(model: Any) -> None:
    """Refuse outputs that are not tensors of numbers, and a graph without any."""
    if not model.graph.output:
        raise GraphError("the model has no outputs; export it again with them")
    for one in model.graph.output:
        if one.type.tensor_type.elem_type in (TensorProto.UNDEFINED, TensorProto.STRING):
            raise GraphError(
                f"output {one.name} is not a tensor of numbers; export the model without it"
            )


def _reason_of_engine(path: Path) -> str:
    """Return why onnxruntime refuses a model, if it does: it names opsets and missing files."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        for name in sorted(weight_files(path)):
            if not (path.parent / name).is_file():
                return f"it keeps weights in {name}, which is not beside it: copy both"
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return why_not_loaded(error, path)
    return ""


def check_graph(model: Any) -> None:
    """Raise what the checker finds, but for operators that are out of use and still run."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        if "is deprecated in domain_version" not in str(error):
            raise


def properties_of(model: Any) -> dict[str, str]:
    """Return what the exporter wrote about a model, such as the names of its classes."""
    return {one.key: one.value for one in model.metadata_props}


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operators that a model uses."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def with_fixed_input(
    model: Any, shape: Sequence[int] | None = None, usual: Sequence[int] | None = None
) -> Source:
    """Return ``model`` with one input, an image whose size is fixed.

    ``shape`` fixes an open input shape; without it ``usual`` does where it fits.

    Raises:
        GraphError: if the input is not one image, or its size is open.
    """
    constants = {constant.name for constant in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    beside = beside_an_image(inputs)
    images = [one for one in inputs if one not in beside]
    if len(images) != 1:
        names = ", ".join(one.name for one in inputs) or "none"
        raise GraphError(f"the model has the inputs {names}; it must have one, an image")
    image = images[0]
    tensor = image.type.tensor_type
    if tensor.elem_type not in _DTYPES:
        found = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise GraphError(f"input {image.name} is {found}; it must be float32 or uint8")
    extents = _fixed(image.name, tensor.shape.dim, shape, usual)
    for dimension, extent in zip(tensor.shape.dim, extents, strict=True):
        dimension.dim_value = extent
    source = Source(model, image.name, extents, _DTYPES[tensor.elem_type])
    if beside:
        with_constants(model, beside, source.size)
    return replace(source, model=with_types(model))


def _fixed(
    name: str, dimensions: Any, shape: Sequence[int] | None, usual: Sequence[int] | None
) -> tuple[int, ...]:
    declared = [d.dim_value if d.HasField("dim_value") else 0 for d in dimensions]
    if shape is not None:
        if not _can_be(declared, shape):
            raise GraphError(f"input {name} is {declared}, which --input-shape cannot change")
        declared = list(shape)
    elif usual is not None and _can_be(declared, usual):
        declared = list(usual)
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


def _can_be(declared: Sequence[int], shape: Sequence[int]) -> bool:
    return len(shape) == len(declared) and all(
        a <= 0 or a == b for a, b in zip(declared, shape, strict=True)
    )


def constants_of(model: Any) -> dict[str, Any]:
    """Return the constant tensors of a graph by their names."""
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    return constants


def noise(source: Source) -> Any:
    """Return an input of the model's shape that is always the same noise."""
    generator = np.random.default_rng(7)
    if source.dtype == "uint8":
        return generator.integers(0, 256, source.shape, np.uint8)
    return generator.standard_normal(source.shape, np.float32)


def opened(source: Source) -> Callable[[Any], list[Any]]:
    """Return a function that runs the model by onnxruntime and returns its outputs.

    Raises:
        GraphError: if onnxruntime refuses the model; the function raises it too.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            source.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions have no common base
        reason = why_not_loaded(error, Path())
        raise GraphError(f"onnxruntime cannot load the model: {reason}") from None

    def call(tensor: Any) -> list[Any]:
        try:
            return list(session.run(None, {source.input: tensor}))
        except Exception as error:
            reason = without_positions(first_line(error))
            raise GraphError(f"onnxruntime cannot run the model: {reason}") from None

    return call


def run(source: Source, tensor: Any) -> list[Any]:
    """Return the model's outputs for one tensor; see :func:`opened`."""
    return opened(source)(tensor)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text that explains it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    with contextlib.suppress(StopIteration):
        return next(line for line in lines if "rror" in line or "not " in line)[:300]
    return (lines or [type(error).__name__])[0][:300]
