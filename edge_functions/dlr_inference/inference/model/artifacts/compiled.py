"""Checks of a compiled model's files, each by itself and against the others.

A truncated ``compiled.so`` ends the process with SIGBUS, and other damage causes a ``DLRError``
without a message. So everything that the files reveal is checked here first.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any, Mapping, Tuple

from ...errors import ModelError
from .digests import content_files, is_hidden

RUNTIME_LIBRARY = "libdlr.so"

_AUXILIARY = ("model-shapes.json", "hyperparams.json", "version.json")
_PARAMS_MAGIC = 0xF7E58D4F05049CB7
_NDARRAY_MAGIC = 0xDD5E40F096B4A13F
_MAX_PARAMS = 100_000

Shape = Tuple[int, ...]


def is_model_library(path: Path) -> bool:
    """Tell whether ``path`` is a model's own library, not DLR's or a file that a desktop left."""
    return path.suffix == ".so" and path.name != RUNTIME_LIBRARY and not is_hidden(path.name)


def is_graph(path: Path) -> bool:
    """Tell whether ``path`` is a model's graph, not one of the files that SageMaker puts beside it.

    libdlr leaves ``model-shapes.json`` and ``hyperparams.json`` aside by these names:
    https://github.com/neo-ai/neo-ai-dlr/blob/main/src/dlr_common.cc
    """
    return path.suffix == ".json" and path.name not in _AUXILIARY


def check_compiled(folder: Path) -> Mapping[str, Shape]:
    """Check library, graph and parameters in ``folder``; return the shapes of the graph's inputs.

    Raises:
        ModelError: naming the file and what is wrong with it.
    """
    files = content_files(folder)
    library = only_file(folder, [path for path in files if is_model_library(path)], ".so")
    _check_elf(library)
    graphs = [path for path in files if is_graph(path)]
    params = [path for path in files if path.suffix == ".params"]
    if not graphs and not params and any(path.suffix == ".ro" for path in files):
        return {}  # a model for TVM's virtual machine: its graph is in code.ro
    return _check_graph(
        only_file(folder, graphs, ".json"), only_file(folder, params, ".params"), library
    )


def only_file(folder: Path, found: list[Path], suffix: str) -> Path:
    """Return the one file in ``found``, which are those of the artifact with this ``suffix``.

    Raises:
        ModelError: if there is none, or more than one.
    """
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ModelError(f"model {folder}: needs exactly one {suffix} file, it has {names}")
    return found[0]


def _check_elf(library: Path) -> None:
    """Compare what the library's header says with this machine and with the size of the file."""
    from .elf import machine_of_python, read_elf_header  # ONNX models need neither

    header = read_elf_header(library)
    here = machine_of_python()
    if header.machine != here:
        raise ModelError(
            f"model file {library}: is compiled for {header.machine}, this Python is for {here}; "
            "compile the model for this target"
        )
    size = library.stat().st_size
    if header.size > size:
        raise ModelError(f"model file {library}: is truncated ({size} bytes)")


def _check_graph(graph_file: Path, params_file: Path, library: Path) -> Mapping[str, Shape]:
    """Check that the three files belong to one model; return the shapes of its inputs."""
    stored = _param_shapes(params_file)
    try:
        graph = json.loads(graph_file.read_text(encoding="utf-8"))
        nodes: list[Any] = graph["nodes"]
        shapes = graph["attrs"]["shape"][1]
        entries = graph["node_row_ptr"]
        arguments = {nodes[i]["name"]: tuple(shapes[entries[i]]) for i in graph["arg_nodes"]}
        functions = {node["attrs"]["func_name"] for node in nodes if node["op"] == "tvm_op"}
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, OSError):
        raise ModelError(f"model file {graph_file}: is not the graph of a compiled model") from None
    known = {name: shape for name, shape in stored.items() if name in arguments}
    wrong = {name: shape for name, shape in known.items() if arguments[name] != shape}
    for name, shape in (wrong or ({} if known else stored)).items():
        raise ModelError(
            f"model file {params_file}: does not belong to {graph_file.name} beside it "
            f"(parameter {name} of shape {list(shape)})"
        )
    code = library.read_bytes()
    for function in sorted(functions - {"__nop", "__copy"}):
        if function.encode() not in code:
            raise ModelError(
                f"model file {library}: does not belong to {graph_file.name} beside it "
                f"(it lacks {function})"
            )
    return {name: shape for name, shape in arguments.items() if name not in stored}


def _param_shapes(path: Path) -> Mapping[str, Shape]:
    """Read names and shapes from a parameter file, which has the layout of TVM's NDArray list."""
    size = path.stat().st_size
    with path.open("rb") as stream:

        def read(layout: str) -> tuple[int, ...]:
            return struct.unpack("<" + layout, stream.read(struct.calcsize("<" + layout)))

        try:
            magic, _, count = read("QQQ")
            if magic != _PARAMS_MAGIC or count > _MAX_PARAMS:
                raise ValueError
            names = [stream.read(min(read("Q")[0], size)).decode() for _ in range(count)]
            if read("Q")[0] != count:
                raise ValueError
            shapes: list[Shape] = []
            for _ in names:
                array_magic, _, _, _, dimensions, _, _, _ = read("QQiiiBBH")
                if array_magic != _NDARRAY_MAGIC or not 0 <= dimensions <= 16:
                    raise ValueError
                shapes.append(read(f"{dimensions}q"))
                stream.seek(read("q")[0], os.SEEK_CUR)
            whole = stream.tell() == size
        except (struct.error, ValueError, OverflowError, OSError):
            whole = False
    if not whole:
        raise ModelError(f"model file {path}: is truncated or not a parameter file ({size} bytes)")
    return dict(zip(names, shapes))
