"""Simplifies a graph with onnxruntime's own basic optimisations, which suit every processor.

They fold constants and remove what does nothing. Unlike the higher levels, their result has ONNX's
own operators only: https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from inference.model.engines.onnx_failure import why_not_loaded
from inference.model.engines.onnx_versions import engine_for

from .reading import GraphError, opset_of
from .tidy import with_types


def simplified(model: Any) -> Any:
    """Return a simpler model with the same results; one with quantised values stays as it is.

    Raises:
        GraphError: if onnxruntime refuses the model.
    """
    result = model if is_quantised(model) else _optimised(model)
    if not _domains(result) <= _domains(model):
        result = model
    _remove_unused(result)
    engine = engine_for(opset_of(result), 0)
    if engine is not None:  # no later format than the oldest engine reads that has the operators
        result.ir_version = min(result.ir_version, engine.ir_version)
    return with_types(result)


def is_quantised(model: Any) -> bool:
    """Return whether a model has values that are rounded to whole numbers."""
    return any(
        node.op_type in ("QuantizeLinear", "DequantizeLinear") or node.op_type.startswith("QLinear")
        for node in model.graph.node
    )


def _optimised(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="compile-") as folder:
        path = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions have no common base
            reason = why_not_loaded(error, path)
            raise GraphError(f"onnxruntime cannot load the model: {reason}") from None
        return onnx.load(path)


def _domains(model: Any) -> set[str]:
    return {"" if n.domain == "ai.onnx" else n.domain for n in model.graph.node}


def _remove_unused(model: Any) -> None:
    """Remove constants and imported sets of operators that no node uses."""
    used = {name for node in model.graph.node for name in _names(node)}
    used |= {one.name for one in model.graph.output}
    for one in list(model.graph.initializer):
        if one.name not in used:
            model.graph.initializer.remove(one)
    domains = _domains(model) | {""}
    for one in list(model.opset_import):
        if one.domain not in (*domains, "ai.onnx") and not model.functions:
            model.opset_import.remove(one)


def _names(node: Any) -> list[str]:
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    inner = [name for graph in graphs for one in graph.node for name in _names(one)]
    outputs = [one.name for graph in graphs for one in graph.output]
    return [*node.input, *inner, *outputs]
