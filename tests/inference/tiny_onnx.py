"""Small ONNX models whose results are known, in formats that every ONNX Runtime of a device runs.

That of Python 3.8 reads opsets up to 21, and files up to IR version 10.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference.model.artifacts.artifact import check_artifact
from inference.model.engines.onnx_runtime import OnnxRuntimeModel
from inference.model.profiles.profile import InputSpec

OPSET = 17
IR_VERSION = 8
INPUT = "images"
SHAPE = (1, 3, 8, 8)

SPEC = InputSpec(
    name=INPUT,
    shape=SHAPE,
    layout="NCHW",
    dtype="float32",
    color_order="RGB",
    resize="stretch",
    resize_shorter_side=None,
    pad_color=(0,),
    interpolation="linear",
    scale=1.0,
    mean=(0.0,),
    std=(1.0,),
)
"""The input of these models, as a profile says it."""
IMAGE = np.arange(3 * 8 * 8, dtype=np.float32).reshape(SHAPE)
MEANS = IMAGE.mean(axis=(2, 3))
"""What :func:`mean_of_channels` returns for ``IMAGE``."""


def write_colours_profile(folder: Path, name: str, threshold: float, top_k: int) -> Path:
    """Write a profile by which :func:`mean_of_channels` says which colour there is most of."""
    profile = {
        "name": "colours",
        "input": {
            "name": INPUT,
            "shape": list(SHAPE),
            "layout": "NCHW",
            "dtype": "float32",
            "colorOrder": "RGB",
            "resize": "stretch",
            "scale": 1 / 255,
        },
        "output": {"kind": "classification", "activation": "logits"},
        "labels": "colours.txt",
        "confidenceThreshold": threshold,
        "topK": top_k,
    }
    folder.mkdir(exist_ok=True)
    (folder / "colours.txt").write_text("red\ngreen\nblue\n", encoding="utf-8")
    (folder / name).write_text(json.dumps(profile), encoding="utf-8")
    return folder / name


def model_of(
    nodes: Sequence[Any],
    *,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    weights: Sequence[Any] = (),
    opset: int = OPSET,
    ir_version: int = IR_VERSION,
    domains: Sequence[str] = (),
) -> Any:
    """A model of ``nodes``; without ``inputs`` and ``outputs`` it has one of each."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        list(inputs) or [tensor(INPUT)],
        list(outputs) or [tensor("scores", None)],
        list(weights),
    )
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def tensor(name: str, shape: Any = SHAPE, dtype: int = TensorProto.FLOAT) -> Any:
    """The description of an input or output."""
    return helper.make_tensor_value_info(name, dtype, shape)


def mean_of_channels(shape: Any = SHAPE, dtype: int = TensorProto.FLOAT) -> Any:
    """A model whose scores [1,3] are the mean of each channel."""
    node = helper.make_node("ReduceMean", [INPUT], ["scores"], axes=[2, 3], keepdims=0)
    return model_of(
        [node], inputs=[tensor(INPUT, shape, dtype)], outputs=[tensor("scores", None, dtype)]
    )


def weighted() -> Any:
    """A model whose scores [1,3] are the mean of each channel, from a table of weights."""
    weights = np.zeros((3 * 8 * 8, 3), np.float32)
    for channel in range(3):
        weights[channel * 64 : (channel + 1) * 64, channel] = 1 / 64
    nodes = [
        helper.make_node("Flatten", [INPUT], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    return model_of(nodes, weights=[numpy_helper.from_array(weights, "weights")])


def like_demo_classifier() -> Any:
    """A model with the input and the output of the demo classifier, and none of its work."""
    weights = np.eye(3, 1000, dtype=np.float32) * 100
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    return model_of(
        nodes,
        inputs=[tensor("data", (1, 3, 224, 224))],
        outputs=[tensor("logits", None)],
        weights=[numpy_helper.from_array(weights, "weights")],
    )


def save(model: Any, path: Path) -> Path:
    """Write ``model`` to ``path``, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def with_external_weights(path: Path) -> Path:
    """Write :func:`weighted` to ``path``, with its weights in a file beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(
        weighted(),
        str(path),
        save_as_external_data=True,
        location=path.name + ".data",
        size_threshold=0,
    )
    return path


def opened(model: Any, folder: Path, spec: InputSpec = SPEC, accelerator: str = "cpu") -> Any:
    """Write ``model`` to ``folder``, and open it with ONNX Runtime."""
    save(model, folder / "model.onnx")
    return OnnxRuntimeModel(check_artifact(folder), spec, accelerator)


def identity(opset: int, ir_version: int) -> bytes:
    """Return a model of these versions that returns its input."""
    node = helper.make_node("Identity", [INPUT], ["scores"])
    serialised: bytes = model_of([node], opset=opset, ir_version=ir_version).SerializeToString()
    return serialised
