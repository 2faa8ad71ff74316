"""Brings a group's models onto the core: fetches and unpacks them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from inference.errors import ModelError
from inference.model.artifacts.unpacking import unpack

from ..errors import LocalCoreError
from .group import ModelResource

FetchModel = Callable[[str, Path], None]
"""Writes the archive of an ``s3://`` URI, or of a training job's ARN, to a file, or raises
``OSError``."""


class ResourceError(LocalCoreError):
    """A resource that cannot be brought onto the core, with the reason."""


def materialise(resource: ModelResource, fetch: FetchModel, root: Path) -> Path:
    """Unpack a model at its destination path below ``root`` and return that folder.

    ``root`` is what functions find in AWS_GG_RESOURCE_PREFIX. What was there before is replaced
    once the new model is whole; it is read-only unless its owner setting says ``rw``.
    https://docs.aws.amazon.com/greengrass/v1/developerguide/access-ml-resources.html

    Raises:
        ResourceError: if the object cannot be fetched, or is not an archive that may be unpacked.
    """
    destination = root / resource.destination_path.lstrip("/")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetching-") as scratch:
            archive = Path(scratch) / "model"
            fetch(resource.source, archive)
            unpacked = unpack(archive, Path(scratch) / "unpacked")
            if not resource.writable:
                _make_read_only(unpacked)
            destination.parent.mkdir(parents=True, exist_ok=True)
            if destination.exists():
                shutil.rmtree(destination)
            unpacked.rename(destination)
    except (OSError, ModelError) as error:
        raise ResourceError(f"resource {resource.name}, {resource.source}: {error}") from error
    return destination


def _make_read_only(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
