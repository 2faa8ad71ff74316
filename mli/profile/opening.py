"""Opens a model of either engine, in whatever form it is given, to say what it holds."""

from __future__ import annotations

import re
from pathlib import Path

from inference.errors import ModelError
from inference.model.artifacts.artifact import check_artifact, model_folder
from inference.model.artifacts.digests import content_files
from inference.model.artifacts.onnx_files import is_onnx, onnx_file
from inference.model.artifacts.unpacking import unpack
from inference.model.engines.runnable import ONNX_RUNTIME
from stacks.component.onnx_format import limit_of_file

from ..errors import MliError
from .inspection import ANY_MACHINE, Inspection, Tensor, inspect, provenance_of
from .onnx_child import describe

_DTYPES = {"float": "float32", "float16": "float32", "double": "float64"}
"""NumPy's names of ONNX Runtime's types; a core gives and gets float16 as float32."""
_ENDINGS = (".tar.gz", ".tgz", ".zip", ".onnx")


def open_model(path: Path, work: Path) -> Inspection:
    """Inspect the model at ``path``: a folder, or an archive or ``.onnx``, unpacked into ``work``.

    Raises:
        ModelError: naming what is damaged.
        MliError: if no engine here can load it.
    """
    try:
        folder = model_folder(path if path.is_dir() else unpack(path, work))
        if any(is_onnx(file) for file in content_files(folder)):
            return _inspect_onnx(folder)
        return inspect(folder)
    except (ModelError, MliError) as error:
        raise type(error)(as_given(str(error), path, work)) from None


def as_given(text: str, path: Path, work: Path) -> str:
    """Return a message about what was unpacked into ``work`` with the path that the user knows."""
    unpacked = rf"{re.escape(str(work))}/model-[0-9a-f]+(?:/model\.onnx)?"
    return re.sub(unpacked, lambda _: str(path), text)


def stem_of(path: Path) -> str:
    """Return the name of a model's file or folder without what its form adds."""
    for ending in _ENDINGS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending)
    return path.name


def _inspect_onnx(folder: Path) -> Inspection:
    artifact = check_artifact(folder)
    file = onnx_file(folder)
    facts = describe(file)
    inputs, outputs = (
        tuple(Tensor(name, _dtype(kind), shape) for name, kind, shape in tensors)
        for tensors in (facts.inputs, facts.outputs)
    )
    return Inspection(
        folder=folder,
        files={file.name: file.stat().st_size for file in content_files(folder)},
        machine=ANY_MACHINE,
        has_digests=artifact.has_digests,
        inputs=inputs,
        outputs=outputs,
        meta={},
        provenance=provenance_of(folder),
        has_runtime=False,
        runtime=ONNX_RUNTIME,
        properties=facts.properties,
        quantised=facts.quantised,
        unlimited=facts.unlimited,
        exclusive=facts.exclusive,
        features=facts.features,
        limit=limit_of_file(file),
    )


def _dtype(kind: str) -> str:
    """Return NumPy's name of a type such as ``tensor(float)``."""
    found = re.fullmatch(r"tensor\((\w+)\)", kind)
    return _DTYPES.get(found[1], found[1]) if found else kind
