"""A compiled model on disk, checked before DLR maps it into the process."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from ..errors import ModelError
from .compiled import Shape, check_compiled, is_model_library
from .digests import check_digests, digests_of, is_hidden

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelArtifact:
    """A folder that passed its checks.

    ``sha256`` identifies the model by the content of all its files. ``input_shapes`` are those of
    its graph, empty for a model without one. ``has_digests`` says whether each file was compared
    with a recorded digest; if not, only its structure was checked.
    """

    folder: Path
    sha256: str
    input_shapes: Mapping[str, Shape]
    has_digests: bool


def open_artifact(path: Path, work: Path) -> ModelArtifact:
    """Check the artifact at ``path``, a folder or an archive that is unpacked into ``work``.

    An archive that was unpacked before is unpacked again if that folder is damaged.

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
    """Return the one folder at or below ``folder`` that holds a model's library.

    Raises:
        ModelError: if there is none, or more than one.
    """
    found = sorted(
        path.parent
        for path in folder.rglob("*.so")
        if is_model_library(path) and not any(map(is_hidden, path.relative_to(folder).parts))
    )
    found = list(dict.fromkeys(found))
    if not found:
        raise ModelError(f"model {folder}: there is no compiled model (a .so file) in it")
    if len(found) > 1:
        listed = ", ".join(str(path) for path in found)
        raise ModelError(f"model {folder}: there is more than one model in it: {listed}")
    return found[0]


def check_artifact(folder: Path) -> ModelArtifact:
    """Check every file of the model in ``folder``: its digest if recorded, and its structure.

    Raises:
        ModelError: naming the file and what is wrong with it.
    """
    digests = digests_of(folder)
    has_digests = check_digests(folder, digests)
    input_shapes = check_compiled(folder)
    return ModelArtifact(
        folder=folder,
        sha256=identity_of(digests),
        input_shapes=input_shapes,
        has_digests=has_digests,
    )


def identity_of(digests: Mapping[str, str]) -> str:
    """Return one digest for a set of files, from their ``digests`` by name."""
    summary = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(summary.encode()).hexdigest()
