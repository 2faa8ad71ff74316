"""What the files of a compiled model say: target, inputs, outputs, and provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.model.artifacts.artifact import check_artifact
from inference.model.artifacts.compiled import RUNTIME_LIBRARY, is_graph, is_model_library
from inference.model.artifacts.digests import check_digests, content_files, digests_of
from inference.model.artifacts.elf import machine_of_python, read_elf_header
from inference.model.engines.runnable import DLR, ONNX_RUNTIME
from models.packing import ParamsError, read_params

from ..errors import MliError
from .files import PROFILE_FILE, PROVENANCE_FILE

ANY_MACHINE = "any"
"""The machine of a model that is not compiled."""


@dataclass(frozen=True)
class Tensor:
    """One input or output as the graph declares it."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    """None for an extent that the model leaves open."""

    def __str__(self) -> str:
        extents = ", ".join("?" if extent is None else str(extent) for extent in self.shape)
        return f"{self.name} {self.dtype} [{extents}]"


@dataclass(frozen=True)
class Inspection:
    """An artifact whose files are valid. Without a graph file its tensors are not known here.

    ``properties`` are what the exporter of an ``.onnx`` noted in it, ``quantised`` scale and zero
    point of its outputs that are whole numbers, by name, and ``unlimited`` are those that a layer
    returns without an activation: no probabilities, even if all are between 0 and 1. ``exclusive``
    are those that a softmax returns, even if their sum is not quite 1. ``features`` are the reasons
    for which outputs are embeddings, by name; empty for those that may be scores.
    ``limit`` says on which devices it runs if not on all.
    """

    folder: Path
    files: Mapping[str, int]
    machine: str
    has_digests: bool
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    meta: Mapping[str, Any]
    provenance: Mapping[str, Any]
    has_runtime: bool
    runtime: str = DLR
    properties: Mapping[str, str] = field(default_factory=dict)
    quantised: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unlimited: frozenset[str] = frozenset()
    exclusive: frozenset[str] = frozenset()
    features: Mapping[str, str] = field(default_factory=dict)
    limit: str = ""

    @property
    def runs_here(self) -> bool:
        """Return whether this machine can run it: it is not compiled, or compiled for this one."""
        return self.machine in (ANY_MACHINE, machine_of_python())

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs that a core knows: none of a compiled model."""
        return [one.name for one in self.outputs] if self.runtime == ONNX_RUNTIME else []

    @property
    def own_profile(self) -> Path | None:
        """The profile inside the artifact, if there is one."""
        path = self.folder / PROFILE_FILE
        return path if path.is_file() else None

    def facts(self) -> dict[str, Any]:
        """Return everything as values of JSON."""
        return {
            "folder": str(self.folder),
            "runtime": self.runtime,
            "machine": self.machine,
            "limit": self.limit or None,
            "targetDevice": self.meta.get("Requirements", {}).get("TargetDevice"),
            "files": dict(self.files),
            "digests": self.has_digests,
            "bringsLibdlr": self.has_runtime,
            "inputs": [vars(one) for one in self.inputs],
            "outputs": [vars(one) for one in self.outputs],
            "provenance": dict(self.provenance) or None,
        }


def inspect(folder: Path) -> Inspection:
    """Read the compiled model in ``folder``; one for this machine is checked as by a core.

    Raises:
        ModelError: naming a file that is damaged.
        MliError: if there is no library.
    """
    files = content_files(folder)
    libraries = [path for path in files if is_model_library(path)]
    if len(libraries) != 1:
        raise MliError(f"model {folder}: needs exactly one .so file, it has {len(libraries)}")
    machine = read_elf_header(libraries[0]).machine
    if machine == machine_of_python():
        has_digests = check_artifact(folder).has_digests
    else:
        has_digests = check_digests(folder, digests_of(folder))
    graphs = [path for path in files if is_graph(path)]
    meta = _read(folder / "compiled.meta")
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    if len(graphs) == 1:
        inputs, outputs = _tensors(_read(graphs[0]), _names_of_outputs(meta), _parameters(files))
    return Inspection(
        folder=folder,
        files={path.name: path.stat().st_size for path in files},
        machine=machine,
        has_digests=has_digests,
        inputs=inputs,
        outputs=outputs,
        meta=meta,
        provenance=provenance_of(folder),
        has_runtime=(folder / RUNTIME_LIBRARY).is_file(),
    )


def provenance_of(folder: Path) -> dict[str, Any]:
    """Return what ``mli compile`` noted beside a model, if it made it."""
    return _read(folder / PROVENANCE_FILE)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _parameters(files: list[Path]) -> set[str]:
    for path in files:
        if path.suffix == ".params":
            try:
                return set(read_params(path.read_bytes()))
            except ParamsError as error:
                raise MliError(f"model file {path}: {error}") from None
    return set()


def _names_of_outputs(meta: Mapping[str, Any]) -> list[str]:
    tensors = meta.get("Model", {}).get("Outputs", [])
    return [str(one.get("name", "")) for one in tensors if isinstance(one, dict)]


def _tensors(
    graph: Mapping[str, Any], names: list[str], parameters: set[str]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs and outputs of a graph, without those inputs that are its parameters."""
    try:
        nodes, heads = graph["nodes"], graph["heads"]
        shapes, dtypes = graph["attrs"]["shape"][1], graph["attrs"]["dltype"][1]
        rows = graph["node_row_ptr"]

        def tensor(name: str, row: int) -> Tensor:
            return Tensor(name, str(dtypes[row]), tuple(shapes[row]))

        arguments = [tensor(nodes[i]["name"], rows[i]) for i in graph["arg_nodes"]]
        outputs = [
            tensor(names[i] if i < len(names) else nodes[head[0]]["name"], rows[head[0]] + head[1])
            for i, head in enumerate(heads)
        ]
    except (KeyError, IndexError, TypeError):
        return (), ()
    inputs = [one for one in arguments if one.name not in parameters]
    return tuple(inputs), tuple(outputs)
