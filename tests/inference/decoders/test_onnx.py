"""The same families as ONNX models, run by ONNX Runtime: its arrays, its types and its names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor
from inference.vision.preprocess import Preprocessor

from ..conftest import MakeProfile
from .exports.objects import HEIGHT, WIDTH, Returned
from .families import FAMILIES, POINTED
from .test_families import RESIZE, SOURCE, assert_found, profile_of, things

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def model_of(returned: Returned) -> bytes:
    """Return a model that takes a picture and returns just this, with its names and types."""
    helper, to_tensor = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = [to_tensor(np.array(0, np.float32), "zero")]
    outputs = []
    for index, value in enumerate(returned.outputs):
        name = returned.names[index] if returned.names else f"output_{index}"
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        constants.append(to_tensor(value, f"{name}_known"))
        nodes += [
            helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=kind),
            helper.make_node("Add", [f"{name}_known", f"{name}_nothing"], [name]),
        ]
        outputs.append(helper.make_tensor_value_info(name, kind, list(value.shape)))
    shape = [1, 3, HEIGHT, WIDTH]
    picture = helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "known", [picture], outputs, constants)
    opset = [helper.make_opsetid("", 13)]
    model: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return model


@pytest.mark.parametrize("preset", FAMILIES)
def test_a_model_of_the_family_gives_the_known_boxes(
    make_profile: MakeProfile, preset: str
) -> None:
    for resize in RESIZE.values():
        profile = profile_of(make_profile, {"preset": preset}, **resize)
        model = model_of(FAMILIES[preset](things(profile, points=POINTED.get(preset, 0))))
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_outputs()]
        picture: Any = np.full((SOURCE[1], SOURCE[0], 3), 99, np.uint8)
        tensor, fitted = Preprocessor(profile.input)(picture)
        assert fitted == fit(profile.input, *SOURCE)
        postprocess = Postprocessor(profile, output_names=names)
        assert_found(postprocess(session.run(None, {"data": tensor}), fitted))
