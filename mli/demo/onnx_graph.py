"""A small helper for writing an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
_IR_VERSION = 8


class OnnxGraph:
    """Collects nodes and constants, and saves them as a model of float32 inputs and outputs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, array: Any, dtype: str = "float32") -> str:
        """Add a constant and return its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(array, dtype, order="C"), name))
        return name

    def node(self, operation: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operation and return the name of its output."""
        output = output or f"{operation.lower()}_{len(self._nodes)}"
        created = helper.make_node(operation, list(inputs), [output], name=output, **attributes)
        self._nodes.append(created)
        return output

    def save(
        self,
        path: Path,
        inputs: Mapping[str, Sequence[int]],
        outputs: Mapping[str, Sequence[int]],
    ) -> None:
        """Check the graph and write it to ``path``."""
        described = [
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in values.items()]
            for values in (inputs, outputs)
        ]
        graph = helper.make_graph(self._nodes, self._name, *described, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = _IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
