"""TensorFlow.js graph models: ``model.json`` and its weight shards, read into plain Python."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def integers(self, attribute: str) -> list[int]:
        """Return an attribute that is a list of whole numbers, such as strides."""
        return [int(value) for value in self.attributes[attribute]["list"]["i"]]


@dataclass(frozen=True)
class Graph:
    """Operations and constants by name; a constant is an operation's input by its name."""

    nodes: Mapping[str, Node]
    weights: Mapping[str, np.ndarray]

    def constant_of(self, node: Node) -> np.ndarray | None:
        """Return the one constant among a node's inputs, flat, or None if there is none."""
        found = [self.weights[name] for name in node.inputs if name in self.weights]
        return found[0].ravel() if len(found) == 1 else None

    def variables_of(self, node: Node) -> list[str]:
        """Return those of a node's inputs that are not constant."""
        return [name for name in node.inputs if name not in self.weights]


def read_graph(folder: Path) -> Graph:
    """Read the model whose ``model.json`` is in ``folder``."""
    model = json.loads((folder / "model.json").read_text())
    nodes = {
        entry["name"]: Node(entry["name"], entry["op"], tuple(entry["input"]), entry["attr"])
        for entry in model["modelTopology"]["node"]
    }
    weights: dict[str, np.ndarray] = {}
    for group in model["weightsManifest"]:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            count, dtype = math.prod(entry["shape"]), np.dtype(entry["dtype"])
            array = np.frombuffer(data, dtype, count, offset)
            weights[entry["name"]] = array.reshape(entry["shape"])
            offset += count * dtype.itemsize
        if offset != len(data):
            raise ValueError(f"{folder}: {len(data)} bytes of weights, the manifest says {offset}")
    return Graph(nodes, weights)
