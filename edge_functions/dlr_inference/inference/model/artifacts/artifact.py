"""A model on disk, checked before an engine maps it into the process."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping

from ...errors import ModelError
from ..engines.runnable import DLR, NAMES, ONNX_RUNTIME
from .compiled import Shape, check_compiled, is_model_library
from .digests import check_digests, digests_of, is_hidden
from .onnx_files import check_onnx, is_onnx

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.xz", ".zip")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelArtifact:
    """A folder that passed its checks.

    ``sha256`` identifies the model by the content of all its files. ``runtime`` is the engine that
    runs it, one of ``RUNTIMES``. ``input_shapes`` are those of a compiled model's graph, empty for
    a model without one. ``has_digests`` says whether each file was compared with a recorded digest;
    if not, only its structure was checked.
    """

    folder: Path
    sha256: str
    input_shapes: Mapping[str, Shape] = field(default_factory=dict)
    has_digests: bool = False
    runtime: str = DLR


def open_artifact(path: Path, work: Path) -> ModelArtifact:
    """Check the artifact at ``path``, a folder, or a file that is unpacked into ``work``.

    The file is an archive of a folder, or a bare ``.onnx``, which becomes a folder too. One that
    was unpacked before is unpacked again if that folder is damaged.

    Raises:
        ModelError: naming the path, or the file in it, and what is wrong.
    """
    if path.is_dir():
        return check_artifact(model_folder(path))
    from .unpacking import unpack, unpack_again, unpacked_path  # imports archive libraries

    target = unpacked_path(path, work)
    if target.is_dir():
        try:
            return check_artifact(model_folder(target))
        except ModelError as error:
            _log.warning("%s; unpacking %s again", error, path)
        unpack_again(path, target)
    return check_artifact(model_folder(unpack(path, work)))


def model_folder(folder: Path) -> Path:
    """Return the one folder at or below ``folder`` that holds a model.

    Raises:
        ModelError: if there is none, more than one, or one for each engine.
    """
    found = sorted(path for path in folder.rglob("*") if _is_model(path, folder))
    if not found:
        archives = sorted(path.name for path in folder.rglob("*") if path.name.endswith(_ARCHIVES))
        inner = f"; it holds {', '.join(archives[:3])}: take that out of it" if archives else ""
        raise ModelError(
            f"model {folder}: there is no compiled model (a .so file) and no .onnx file in it"
            + inner
        )
    folders = list(dict.fromkeys(path.parent for path in found))
    if len(folders) > 1:
        listed = ", ".join(map(str, folders))
        raise ModelError(f"model {folder}: there is more than one model in it: {listed}")
    if len({path.suffix for path in found}) > 1:
        listed = ", ".join(path.name for path in found)
        raise ModelError(
            f"model {folder}: holds models for DLR and for ONNX Runtime ({listed}): keep one"
        )
    return folders[0]


def _is_model(path: Path, folder: Path) -> bool:
    """Tell whether a file is a model's own, and no part of its way from ``folder`` is hidden."""
    is_named_so = is_model_library(path) or is_onnx(path)
    return is_named_so and not any(map(is_hidden, path.relative_to(folder).parts))


def check_artifact(folder: Path) -> ModelArtifact:
    """Check every file of the model in ``folder``: its digest if recorded, and its structure.

    What else is wrong with an ``.onnx`` file, its engine names when it loads the model.

    Raises:
        ModelError: naming the file and what is wrong with it.
    """
    digests = digests_of(folder)
    has_digests = check_digests(folder, digests)
    input_shapes: Mapping[str, Shape] = {}
    runtime = ONNX_RUNTIME if any(is_onnx(Path(name)) for name in digests) else DLR
    if runtime == ONNX_RUNTIME:
        check_onnx(folder)
    else:
        input_shapes = check_compiled(folder)
    return ModelArtifact(
        folder=folder,
        sha256=identity_of(digests),
        input_shapes=input_shapes,
        has_digests=has_digests,
        runtime=runtime,
    )


def check_runtime(artifact: ModelArtifact, runtime: str) -> None:
    """Check that a model is for the engine whose packages the component has.

    Raises:
        ModelError: naming the key that selects the packages.
    """
    if artifact.runtime != runtime:
        raise ModelError(
            f"model {artifact.folder}: is for {NAMES[artifact.runtime]}, but the component was "
            f"deployed with modelRuntime={runtime}: deploy it with modelRuntime={artifact.runtime}"
        )


def identity_of(digests: Mapping[str, str]) -> str:
    """Return one digest for a set of files, from their ``digests`` by name."""
    summary = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(summary.encode()).hexdigest()
