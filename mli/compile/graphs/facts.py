"""What a graph and a run of it on noise tell about the numbers that a model returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import numpy_helper

from ...profile import operators
from ...profile.classifying import LARGEST_SUM_ERROR
from .reading import Source, constants_of


def last_operator(source: Source, tensor: str) -> str:
    """Return the operator that computes a tensor, before those that only change its form."""
    return operators.last_operator(source.model.graph, tensor)


def are_probabilities(source: Source, scores: Any) -> bool:
    """Return whether scores are probabilities, by the operator that makes them or by their sum."""
    if last_operator(source, source.scores) in ("Softmax", "Sigmoid"):
        return True
    within = bool(scores.min() >= 0 and scores.max() <= 1)
    if source.boxes:
        return within
    return within and abs(float(scores.sum()) - 1) < LARGEST_SUM_ERROR


def quantisation_step(source: Source, outputs: Sequence[str]) -> float:
    """Return the largest step between two values that outputs are rounded to; 0 if none are.

    Each engine rounds at its own place, so that results differ by some of these steps.
    """
    made_by = {name: node for node in source.model.graph.node for name in node.output}
    constants = constants_of(source.model)
    steps, seen, waiting = [0.0], set[str](), list(outputs)
    while waiting:
        name = waiting.pop()
        node = made_by.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants:
            if node.input[1] in constants:
                steps.append(float(numpy_helper.to_array(constants[node.input[1]]).max()))
            continue
        waiting += [one for one in node.input if one]
    return max(steps)


def integer_operators(source: Source) -> list[str]:
    """Return the operators that calculate with whole numbers, as older quantisers write them."""
    found = {node.op_type for node in source.model.graph.node}
    return sorted(one for one in found if one.startswith("QLinear") or one.endswith("Integer"))


def choosing_operators(source: Source) -> list[str]:
    """Return the operators whose results have a length that depends on the image."""
    found = {node.op_type for node in source.model.graph.node}
    return sorted(found & {"NonMaxSuppression", "NonZero", "Unique", "Compress"})
