"""Maps of the image: ``compile`` writes the profile that reads them, without labels too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from .conftest import Run

HEIGHT, WIDTH = 64, 96


def _saved(path: Path, classes: int, *, last: bool, activation: str = "") -> Path:
    """Write a model that scores classes by the colour of each pixel."""
    weights = np.random.default_rng(0).normal(size=(classes, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["data", "weights"], ["scores"])]
    if activation:
        nodes.append(helper.make_node(activation, ["scores"], ["limited"]))
    if last:
        nodes.append(helper.make_node("Transpose", nodes[-1].output, ["moved"], perm=[0, 2, 3, 1]))
    shape = (1, HEIGHT, WIDTH, classes) if last else (1, classes, HEIGHT, WIDTH)
    graph = helper.make_graph(
        nodes,
        "maps",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, (1, 3, HEIGHT, WIDTH))],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("classes", "activation", "said"),
    [(5, "", None), (2, "", None), (1, "", "logits"), (1, "Sigmoid", None)],
)
def test_the_outputs_tell_the_axis_of_the_classes_and_logits(
    run: Run, tmp_path: Path, classes: int, activation: str, said: str | None, last: bool
) -> None:
    model = _saved(tmp_path / "map.onnx", classes, last=last, activation=activation)
    target = tmp_path / "out"
    done = run(
        "compile", "--with", "onnxruntime", model, "--preset", "torchvision-segmentation",
        "--output", target,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    output = json.loads((target / "profile" / "profile.json").read_text())["output"]
    assert output["preset"] == "torchvision-segmentation"
    assert output.get("classAxis", 1) == (3 if last else 1)
    assert output.get("activation") == said
    photographs = Path(__file__).parents[3] / "edge_functions/dlr_inference/sample_images"
    done = run("infer", "--model", target, "--images", photographs)
    assert done.exit_code == 0, done.stderr
    found: set[str] = set()
    for line in done.stdout.splitlines():
        predictions: list[dict[str, Any]] = json.loads(line)
        found |= {one["prediction"] for one in predictions}
    assert found <= {str(number) for number in range(max(2, classes))}


def test_labels_of_the_classes_do_not_fit_another_axis(run: Run, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\nd\n")
    done = run(
        "compile", "--with", "onnxruntime", _saved(tmp_path / "map.onnx", 5, last=True),
        "--preset", "torchvision-segmentation", "--labels", labels, "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "needs one output [1,h,w,4] of scores" in done.stderr
    assert f"the model returned moved [1, {HEIGHT}, {WIDTH}, 5]" in done.stderr
