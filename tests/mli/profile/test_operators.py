"""What the end of a graph says about scores that are between 0 and 1 by chance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from mli.profile.operators import ends_in_a_layer, last_operator
from tests.inference.tiny_onnx import INPUT, model_of, save

from .test_profile_proposals import run

WEIGHTS = np.array([[-0.01], [-0.01], [-0.01]], np.float32)
MEAN = helper.make_node("GlobalAveragePool", [INPUT], ["pooled"])
FLAT = helper.make_node("Flatten", ["pooled"], ["flat"])
PRODUCT = helper.make_node("MatMul", ["flat", "weights"], ["product"])
BIAS = helper.make_node("Add", ["product", "bias"], ["biased"])


@pytest.mark.parametrize(
    ("last", "activation"),
    [
        (helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"]), "logits"),
        (helper.make_node("Squeeze", ["biased"], ["scores"]), "logits"),
        (helper.make_node("Sigmoid", ["biased"], ["scores"]), "probabilities"),
        (helper.make_node("Clip", ["biased"], ["scores"]), "probabilities"),
    ],
)
def test_what_a_layer_returns_is_no_probability(
    tmp_path: Path, last: object, activation: str
) -> None:
    constants = [
        numpy_helper.from_array(WEIGHTS, "weights"),
        numpy_helper.from_array(np.array([0.3], np.float32), "bias"),
    ]
    model = model_of([MEAN, FLAT, PRODUCT, BIAS, last], weights=constants)
    done = run(save(model, tmp_path / "m.onnx"))
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["output"]["activation"] == activation
    assert ends_in_a_layer(model.graph, "scores") == (activation == "logits")


@pytest.mark.parametrize(("limiter", "several"), [("Softmax", False), ("Sigmoid", True)])
def test_probabilities_of_one_choice_are_known_by_their_softmax(
    tmp_path: Path, limiter: str, several: bool
) -> None:
    """The sum of quantised ones is not 1."""
    nodes = [
        MEAN, FLAT, helper.make_node(limiter, ["flat"], ["limited"]),
        helper.make_node("QuantizeLinear", ["limited", "step", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "step", "zero"], ["scores"]),
    ]  # fmt: skip
    constants = [
        numpy_helper.from_array(np.array(0.07, np.float32), "step"),
        numpy_helper.from_array(np.array(0, np.uint8), "zero"),
    ]
    done = run(save(model_of(nodes, weights=constants), tmp_path / "m.onnx"))
    assert done.exit_code == 0, done.stderr
    output = json.loads(done.stdout)["output"]
    assert output["activation"] == "probabilities"
    assert output.get("multiLabel", False) == several


def test_a_map_that_a_layer_returns_is_of_logits(tmp_path: Path) -> None:
    """Also where all of its values on the photograph are between 0 and 1."""
    constants = [
        numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32), "weights"),
        numpy_helper.from_array(np.array([0.3], np.float32), "bias"),
    ]
    last = helper.make_node("Conv", [INPUT, "weights", "bias"], ["scores"])
    done = run(save(model_of([last], weights=constants), tmp_path / "m.onnx"), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["profile"]["output"]["activation"] == "logits"


def test_the_mean_of_probabilities_is_one() -> None:
    nodes = [
        helper.make_node("Sigmoid", [INPUT], ["limited"]),
        helper.make_node("GlobalAveragePool", ["limited"], ["scores"]),
    ]
    graph = model_of(nodes).graph
    assert last_operator(graph, "scores") == "Sigmoid"
    assert not ends_in_a_layer(graph, "scores")


def test_a_tensor_that_nothing_computes_has_no_operator() -> None:
    graph = model_of([MEAN]).graph
    assert last_operator(graph, INPUT) == ""
    assert not ends_in_a_layer(graph, INPUT)
