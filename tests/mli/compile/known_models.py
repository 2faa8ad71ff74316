"""ONNX models that return what a test knows, compiled, refused, and run as on a core."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from inference.model.artifacts.artifact import check_artifact
from inference.model.engines.runtime import open_runtime
from inference.model.profiles.profile import load_profile
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor, Prediction
from inference.vision.preprocess import Preprocessor

from ...inference.tiny_onnx import model_of, save, tensor
from .conftest import Run

RED, GREEN = (0, 0, 255), (0, 255, 0)
COLOURS = np.array([[4, -4, -4], [-4, 4, -4], [-4, -4, 4]], np.float32)


PLAIN = ("--mean", "0", "--std", "1", "--resize", "stretch")


def constant(name: str, values: Any, dtype: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.array(values, dtype), name)


def colours(*more: Any, shape: Any = (1, 3, 32, 32), **changes: Any) -> Any:
    """A classifier of the mean colour, whose logits ``l`` go through the nodes ``more``."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["l"]),
        *more,
    ]
    settings: dict[str, Any] = {"weights": [constant("w", COLOURS)], **changes}
    settings.setdefault("outputs", [tensor(nodes[-1].output[0], None)])
    return model_of(nodes, inputs=[tensor("images", shape)], **settings)


def boxes_of(model: Any, outputs: dict[str, Any]) -> Any:
    """``model`` with outputs that have always these values."""
    for name, values in outputs.items():
        array = np.array(values, np.float32) if isinstance(values, list) else values
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.initializer.append(numpy_helper.from_array(array, f"{name}_known"))
        model.graph.node.extend(
            [
                helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=kind),
                helper.make_node("Add", [f"{name}_known", f"{name}_nothing"], [name]),
            ]
        )
        model.graph.output.append(tensor(name, array.shape, kind))
    return model


def always(outputs: dict[str, Any]) -> Any:
    """A model of a 32×32 image that always returns these values."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    model = model_of(
        nodes, inputs=[tensor("images", (1, 3, 32, 32))], weights=[constant("zero", 0)]
    )
    del model.graph.output[:]
    return boxes_of(model, outputs)


def made(run: Run, model: Any, target: Path, *options: object) -> dict[str, Any]:
    """Compile a model, and return what the command says of it."""
    file = save(model, target.with_name("model.onnx"))
    done = run("compile", "--with", "onnxruntime", file, "--output", target, "--json", *options)
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def refused(run: Run, model: Any, target: Path, *options: object) -> str:
    file = save(model, target.with_name("model.onnx"))
    done = run("compile", "--with", "onnxruntime", file, "--output", target, *options)
    assert done.exit_code == 1, done.output
    assert not target.exists()
    line: str = done.stderr.splitlines()[-1]
    return line


def seen(artifact: Path, image: Any) -> Sequence[Prediction]:
    """Return what a core predicts with an artifact and its own profile."""
    profile = load_profile(artifact / "profile" / "profile.json")
    model = open_runtime(check_artifact(artifact), profile.input)
    tensor_, fitted = Preprocessor(profile.input)(image)
    read = Postprocessor(profile, output_names=model.output_names)
    assert fitted == fit(profile.input, image.shape[1], image.shape[0])
    return read(model.run(tensor_), fitted)


def plain(colour: tuple[int, int, int]) -> Any:
    return np.full((40, 60, 3), colour, np.uint8)
