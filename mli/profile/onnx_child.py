"""Reads what an ``.onnx`` file says of itself, in a process of its own.

The child is ``python -m mli.profile.onnx_child FILE``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import ModelError
from inference.model.engines.onnx_failure import why_not_loaded
from inference.model.engines.onnx_runtime import import_onnxruntime

from .children import said_by_child
from .features import why_features
from .operators import ends_in_a_layer, ends_in_a_softmax

_FATAL_ONLY = 4


@dataclass(frozen=True)
class OnnxFacts:
    """Inputs and outputs, each as name, type by ONNX Runtime and shape, whose open extents are
    None; what the exporter noted; scale and zero point of quantised outputs, by name; the names of
    those that a layer returns without an activation, and of those that a softmax returns; and why
    outputs are embeddings, by name."""

    inputs: Sequence[tuple[str, str, tuple[int | None, ...]]]
    outputs: Sequence[tuple[str, str, tuple[int | None, ...]]]
    properties: Mapping[str, str]
    quantised: Mapping[str, tuple[float, float]]
    unlimited: frozenset[str]
    exclusive: frozenset[str]
    features: Mapping[str, str]


def describe(file: Path) -> OnnxFacts:
    """Return what ``file`` says of itself.

    Raises:
        MliError: in one line, if ONNX Runtime cannot load it.
    """
    said = said_by_child(
        "mli.profile.onnx_child",
        str(file.resolve()),
        model=file,
        late="cannot be loaded",
        failed="ONNX Runtime cannot load it",
    )
    inputs, outputs = (
        [(name, dtype, tuple(shape)) for name, dtype, shape in said[key]]
        for key in ("inputs", "outputs")
    )
    quantised = {name: (scale, zero) for name, (scale, zero) in said["quantised"].items()}
    return OnnxFacts(
        inputs, outputs, said["properties"], quantised, frozenset(said["unlimited"]),
        frozenset(said["exclusive"]), said["features"],
    )  # fmt: skip


def main(file: str) -> int:
    """Load the model and describe it on stdout; a failure is the last line on stderr."""
    try:
        ort = import_onnxruntime()
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no other base class
        print(why_not_loaded(error, Path(file)), file=sys.stderr)
        return 1
    graph = _graph(file)
    described = {
        "inputs": [_tensor(one) for one in session.get_inputs()],
        "outputs": [_tensor(one) for one in session.get_outputs()],
        "properties": dict(session.get_modelmeta().custom_metadata_map),
        "quantised": _quantised(graph),
        "unlimited": [one.name for one in graph.output if ends_in_a_layer(graph, one.name)],
        "exclusive": [one.name for one in graph.output if ends_in_a_softmax(graph, one.name)],
        "features": {one.name: why_features(graph, one.name) for one in graph.output},
    }
    print(json.dumps(described))
    return 0


def _tensor(one: Any) -> list[Any]:
    extents = [extent if isinstance(extent, int) else None for extent in one.shape]
    return [str(one.name), str(one.type), extents]


def _graph(file: str) -> Any:
    import onnx

    return onnx.load(file, load_external_data=False).graph


def _quantised(graph: Any) -> dict[str, list[float]]:
    """Return scale and zero point of each output that the graph quantises with one of each."""
    import onnx

    constants = {one.name: one for one in graph.initializer}
    outputs = {one.name for one in graph.output}
    found = {}
    for node in graph.node:
        if node.op_type != "QuantizeLinear" or node.output[0] not in outputs:
            continue
        known = [constants[name] for name in node.input[1:3] if name in constants]
        is_one = all(math.prod(one.dims) == 1 for one in known)
        if is_one and len(known) == len(node.input[1:3]):
            numbers = [float(onnx.numpy_helper.to_array(one).reshape(())) for one in known]
            found[node.output[0]] = [*numbers, 0.0][:2]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
