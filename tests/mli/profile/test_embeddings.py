"""``profile`` for models that return an embedding: features of an image, not scores of classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mli.profile.features import NORMALISED, POOLED, why_features
from tests.inference.decoders.exports.objects import Returned
from tests.inference.tiny_onnx import INPUT, model_of, save, tensor

from .models import saved
from .test_profile_proposals import refused, run

pytestmark = pytest.mark.usefixtures("forked")

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
"""The graphs of well-known classifiers, without their weights."""
node: Callable[..., Any] = helper.make_node


@pytest.mark.parametrize(
    ("name", "cut", "why"),
    [
        ("bvlc_alexnet", 1, ""),
        ("vgg19", 1, ""),
        ("squeezenet", 0, ""),
        ("squeezenet", 1, ""),  # a mean of activated convolutions, one for each class
        ("densenet121", 0, ""),
        ("densenet121", 1, POOLED),
        ("resnet50", 1, ""),
        ("resnet50", 2, POOLED),
        ("shufflenet", 1, ""),
        ("shufflenet", 2, POOLED),
        ("inception_v1", 1, ""),
        ("inception_v1", 3, POOLED),
        ("inception_v2", 2, POOLED),
    ],
)
def test_a_classifier_without_its_last_layers_returns_features(
    name: str, cut: int, why: str
) -> None:
    graph = onnx.load(LIGHT / f"light_{name}.onnx").graph
    assert why_features(graph, graph.node[-1 - cut].output[0]) == why


def _scores(*last: Any, length: int) -> Any:
    """A graph of these nodes behind a layer of so many results, called ``layer``."""
    weights = [
        numpy_helper.from_array(np.ones((3, length), np.float32), "weights"),
        numpy_helper.from_array(np.ones(length, np.float32), "each"),
        numpy_helper.from_array(np.array(1e-6, np.float32), "small"),
        numpy_helper.from_array(np.array([1, length], np.int64), "shape"),
    ]
    nodes = [
        node("GlobalAveragePool", [INPUT], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "weights"], ["layer"]),
    ]
    return model_of(
        [*nodes, *last],
        inputs=[tensor(INPUT, (1, 3, 64, 96))],
        outputs=[tensor("scores", (1, length))],
        weights=weights,
    )


L2 = [
    node("ReduceL2", ["layer"], ["length"], axes=[1]),
    node("Clip", ["length", "small"], ["clipped"]),
    node("Expand", ["clipped", "shape"], ["expanded"]),
    node("Div", ["layer", "expanded"], ["scores"]),
]
SUM_OF_SQUARES = [
    node("Mul", ["layer", "layer"], ["squared"]),
    node("ReduceSum", ["squared"], ["summed"]),
    node("Add", ["summed", "small"], ["positive"]),
    node("Sqrt", ["positive"], ["root"]),
    node("Div", ["layer", "root"], ["scores"]),
]
LAYER_NORMALISATION = [
    node("ReduceMean", ["layer"], ["mean"]),
    node("Sub", ["layer", "mean"], ["centred"]),
    node("Pow", ["centred", "two"], ["squared"]),
    node("ReduceMean", ["squared"], ["variance"]),
    node("Add", ["variance", "small"], ["positive"]),
    node("Sqrt", ["positive"], ["root"]),
    node("Div", ["centred", "root"], ["normal"]),
    node("Mul", ["normal", "each"], ["scaled"]),
    node("Add", ["scaled", "each"], ["scores"]),
]
BATCH_NORMALISATION = [node("BatchNormalization", ["layer", *["each"] * 4], ["scores"])]
LENGTH_OF_FEATURES = node("ReduceL2", ["flat"], ["length"])
HEAD = node("Gemm", ["flat", "weights"], ["other"])


@pytest.mark.parametrize(
    ("nodes", "length", "why"),
    [
        (L2, 64, NORMALISED),
        (SUM_OF_SQUARES, 64, NORMALISED),
        ([node("LpNormalization", ["layer"], ["scores"])], 64, NORMALISED),
        (LAYER_NORMALISATION, 64, NORMALISED),
        (
            [
                node("LayerNormalization", ["layer", "each"], ["normal"]),
                node("Gather", ["normal", "shape"], ["scores"]),
            ],
            64,
            NORMALISED,
        ),
        (BATCH_NORMALISATION, 128, NORMALISED),
        (BATCH_NORMALISATION, 10, ""),
        ([node("Mul", ["layer", "each"], ["scores"])], 64, ""),
        ([LENGTH_OF_FEATURES, node("Div", ["layer", "length"], ["scores"])], 64, ""),  # a cosine
        ([node("Div", ["layer", "small"], ["scores"])], 64, ""),  # a temperature
        (
            [
                node("Exp", ["layer"], ["powers"]),
                node("ReduceSum", ["powers"], ["summed"]),
                node("Div", ["powers", "summed"], ["scores"]),
            ],
            64,
            "",
        ),
        ([HEAD, node("Add", ["layer", "other"], ["scores"])], 64, ""),
        (
            [
                HEAD,
                node("Softmax", ["layer"], ["first"]),
                node("Unsqueeze", ["first"], ["one"]),
                node("Unsqueeze", ["other"], ["two"]),
                node("Concat", ["one", "two"], ["both"], axis=0),
                node("ReduceMean", ["both"], ["scores"]),
            ],
            64,
            "",
        ),
    ],
)
def test_only_what_is_normalised_or_pooled_is_an_embedding(
    nodes: list[Any], length: int, why: str
) -> None:
    assert why_features(_scores(*nodes, length=length).graph, "scores") == why


@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid"])
def test_gated_sums_whose_mean_is_taken_are_features(gate: str) -> None:
    nodes = [
        node("Conv", [INPUT, "kernel"], ["a"]),
        node("Add", ["a", INPUT], ["sum"]),
        node(gate, ["sum"], ["gate"]),
        node("Mul", ["sum", "gate"], ["gated"]),
        node("ReduceMean", ["gated"], ["scores"]),
    ]
    assert why_features(model_of(nodes).graph, "scores") == POOLED
    del nodes[1]
    nodes[1], nodes[2] = node(gate, ["a"], ["gate"]), node("Mul", ["a", "gate"], ["gated"])
    assert why_features(model_of(nodes).graph, "scores") == ""


@pytest.fixture
def embedder(tmp_path: Path) -> Path:
    return save(_scores(*SUM_OF_SQUARES, length=96), tmp_path / "m.onnx")


def test_an_embedding_is_no_classifier_unless_somebody_says_so(
    embedder: Path, tmp_path: Path
) -> None:
    line = refused(embedder)
    assert "its output scores [1, 96] looks like an embedding, which no profile describes: " in line
    assert "it is normalised; if these are scores of classes, add --labels FILE, or " in line
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{number}\n" for number in range(96)))
    for options in (("--labels", labels), ("--preset", "torchvision-classification")):
        done = run(embedder, *options)
        assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("vector", "is_refused"),
    [
        (np.full(128, 128**-0.5), True),
        (np.resize([-1.0, 1.0], 512) * 512**-0.5, True),
        (np.eye(128)[7], False),  # one class, for certain
        (np.resize([-1.0, 1.0], 512), False),
        (np.full(4, 0.5), False),
    ],
)
def test_a_vector_of_length_one_is_an_embedding(
    tmp_path: Path, vector: Any, is_refused: bool
) -> None:
    model = saved(Returned([vector[None].astype(np.float32)], ("v",)), tmp_path / "m.onnx")
    if is_refused:
        assert "looks like an embedding" in refused(model)
    else:
        done = run(model)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["output"]["kind"] == "classification"
        if vector.min() < 0:
            assert "an embedding, which no profile describes, may look the same" in done.stderr
