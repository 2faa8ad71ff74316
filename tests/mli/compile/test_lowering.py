"""Operators that TVM would read wrongly or slowly, replaced before it reads the graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import helper, shape_inference

from mli.compile.graphs.reading import Source, noise, run
from mli.compile.tvm.lowering import lowered

from ...inference.tiny_onnx import model_of, tensor
from .known_models import constant


@pytest.mark.parametrize("shape", [(1, 3, 4), (1, 3, 8, 4)])
def test_a_product_with_a_matrix_is_one_of_two_matrices(shape: tuple[int, ...]) -> None:
    weights = np.arange(20).reshape(4, 5)
    model = model_of(
        [helper.make_node("MatMul", ["images", "w"], ["product"])],
        inputs=[tensor("images", shape)],
        outputs=[tensor("product", None)],
        weights=[constant("w", weights)],
    )
    source = Source(model, "images", shape, "float32")
    changed = lowered(source, model)
    assert _axes_of_products(changed) == [2]
    tensors = [run(one, noise(source)) for one in (source, replace(source, model=changed))]
    np.testing.assert_allclose(tensors[1], tensors[0], rtol=1e-6)


def _axes_of_products(model: Any) -> list[int]:
    graph = shape_inference.infer_shapes(model).graph
    values = [*graph.value_info, *graph.output]
    axes = {one.name: len(one.type.tensor_type.shape.dim) for one in values}
    return [axes[node.output[0]] for node in graph.node if node.op_type == "MatMul"]
