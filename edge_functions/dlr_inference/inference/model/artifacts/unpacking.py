"""Archives of models: unpacked completely or not at all, and never outside their folder."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from ...errors import ModelError
from .digests import sha256_of
from .members import TarOrZip
from .onnx_files import ONNX_SUFFIX, weights_beside

_NAME_OF_BARE_MODEL = "model" + ONNX_SUFFIX
_CHUNK = 1 << 20
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def unpacked_path(archive: Path, work: Path) -> Path:
    """Return the folder in ``work`` that this archive is unpacked to, named after its digest.

    That of an ``.onnx`` file is also of the weights beside it, which alone may differ.

    Raises:
        ModelError: if the archive is missing or cannot be read.
    """
    if not archive.is_file():
        raise ModelError(f"model {archive}: there is no such file or folder")
    try:
        digests = [sha256_of(file) for file in (archive, *_weights_of(archive))]
        digest = digests[0]
        if len(digests) > 1:
            digest = hashlib.sha256("".join(digests).encode()).hexdigest()
        return work / f"model-{digest[:16]}"
    except OSError as error:
        raise ModelError(f"model {archive}: cannot be unpacked: {error}") from None


def unpack(archive: Path, work: Path) -> Path:
    """Unpack ``archive`` (tar, compressed or not, or zip) into ``work`` and return the new folder.

    A bare ``.onnx`` file is copied there under a fixed name, so that the model's digest is the same
    wherever the file comes from, and later damage is noticed. Weights that it keeps in files beside
    it are copied, too. The folder gets its name only when it is complete; a second call finds it.

    Raises:
        ModelError: if the archive is missing, damaged, too large, or holds a member that is neither
            a file nor a folder below its root.
    """
    target = unpacked_path(archive, work)
    if not target.is_dir():
        _unpack(archive, target, replace=False)
    return target


def unpack_again(archive: Path, target: Path) -> None:
    """Unpack ``archive`` to ``target``, and replace what is there once the new folder is complete.

    Raises:
        ModelError: as :func:`unpack` does; then ``target`` is as it was.
    """
    _unpack(archive, target, replace=True)


def _unpack(archive: Path, target: Path, *, replace: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=str(target.parent)))
    except OSError as error:
        raise ModelError(f"model {archive}: cannot be unpacked: {error}") from None
    try:
        fresh = partial / "new"
        fresh.mkdir()
        _extract(archive, fresh)
        if replace:
            target.rename(partial / "old")
        _publish(fresh, target)
    except ModelError:
        raise
    except _DAMAGE as error:
        raise ModelError(f"model {archive}: cannot be unpacked: {error}") from None
    finally:
        shutil.rmtree(str(partial), ignore_errors=True)


def remove_leftovers(work: Path, keep: Path) -> None:
    """Remove from ``work`` what earlier versions unpacked, and what was interrupted."""
    for pattern in ("model-*", ".unpacking-*"):
        for path in work.glob(pattern):
            if path != keep and keep not in path.parents and path not in keep.parents:
                shutil.rmtree(str(path), ignore_errors=True)


def _extract(archive: Path, target: Path) -> None:
    if archive.suffix == ONNX_SUFFIX:
        names = {archive: _NAME_OF_BARE_MODEL, **{one: one.name for one in _weights_of(archive)}}
        for file, name in names.items():
            with file.open("rb") as content:
                _write(content, target / name, file.stat().st_size)
        return
    with TarOrZip(archive) as bundle:
        for member in bundle.members():
            with bundle.open(member) as content:
                _write(content, target / member.path, member.size)


def _weights_of(archive: Path) -> list[Path]:
    return weights_beside(archive) if archive.suffix == ONNX_SUFFIX else []


def _write(stream: IO[bytes], path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as output:
        shutil.copyfileobj(stream, output, _CHUNK)
        output.flush()
        os.fsync(output.fileno())
        if output.tell() != size:
            raise EOFError(f"{path.name} ends after {output.tell()} of {size} bytes")


def _publish(fresh: Path, target: Path) -> None:
    fresh.chmod(0o755)
    try:
        fresh.rename(target)
    except OSError:
        if not target.is_dir():
            raise
