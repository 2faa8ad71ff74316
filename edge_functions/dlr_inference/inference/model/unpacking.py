"""Archives of models: unpacked completely or not at all, and never outside their folder."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Iterator

from ..errors import ModelError
from .digests import sha256_of

_MAX_UNPACKED_BYTES = 4 << 30
_MAX_ENTRIES = 10_000
_CHUNK = 1 << 20
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def unpack(archive: Path, work: Path) -> Path:
    """Unpack ``archive`` (tar, compressed or not, or zip) into ``work`` and return the new folder.

    The folder gets its name only when it is complete; a second call finds it.

    Raises:
        ModelError: if the archive is missing, damaged, too large, or holds a member that is neither
            a plain file nor a folder below its root.
    """
    if not archive.is_file():
        raise ModelError(f"model {archive}: there is no such file or folder")
    try:
        target = work / f"model-{sha256_of(archive)[:16]}"
        if target.is_dir():
            return target
        work.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=str(work)))
    except OSError as error:
        raise ModelError(f"model {archive}: cannot be unpacked: {error}") from None
    try:
        _extract(archive, partial)
        _publish(partial, target)
    except ModelError:
        raise
    except _DAMAGE as error:
        raise ModelError(f"model {archive}: cannot be unpacked: {error}") from None
    finally:
        shutil.rmtree(str(partial), ignore_errors=True)
    return target


def remove_leftovers(work: Path, keep: Path) -> None:
    """Remove from ``work`` what earlier versions unpacked, and what was interrupted."""
    for pattern in ("model-*", ".unpacking-*"):
        for path in work.glob(pattern):
            if path != keep and keep not in path.parents and path not in keep.parents:
                shutil.rmtree(str(path), ignore_errors=True)


def _extract(archive: Path, target: Path) -> None:
    if zipfile.is_zipfile(str(archive)):
        with zipfile.ZipFile(str(archive)) as bundle:
            members = [(i.filename, i.file_size, _zip_is_plain(i)) for i in bundle.infolist()]
            for name, info in zip(_safe_names(archive, members), bundle.infolist()):
                if not info.is_dir():
                    with bundle.open(info) as stream:
                        _write(stream, target / name, info.file_size)
        return
    if not tarfile.is_tarfile(str(archive)):
        raise ModelError(f"model {archive}: is neither a folder, nor a tar.gz, nor a zip archive")
    with tarfile.open(str(archive)) as bundle:
        infos = bundle.getmembers()
        members = [(i.name, i.size, i.isreg() or i.isdir()) for i in infos]
        for name, member in zip(_safe_names(archive, members), infos):
            content = bundle.extractfile(member) if member.isreg() else None
            if content is not None:
                with content:
                    _write(content, target / name, member.size)


def _zip_is_plain(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return kind in (0, stat.S_IFREG, stat.S_IFDIR)


def _safe_names(archive: Path, members: list[tuple[str, int, bool]]) -> Iterator[PurePosixPath]:
    """Yield each member's path below the root, after checking that all are harmless."""
    if len(members) > _MAX_ENTRIES or sum(size for _, size, _ in members) > _MAX_UNPACKED_BYTES:
        raise ModelError(f"model {archive}: is larger unpacked than a model can be")
    for name, _, plain in members:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            raise ModelError(
                f"model {archive}: member {name!r} would be written outside its folder"
            )
        if not plain:
            raise ModelError(f"model {archive}: member {name!r} is a link or a device, not a file")
    return (PurePosixPath(name) for name, _, _ in members)


def _write(stream: IO[bytes], path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as output:
        shutil.copyfileobj(stream, output, _CHUNK)
        output.flush()
        os.fsync(output.fileno())
        if output.tell() != size:
            raise EOFError(f"{path.name} ends after {output.tell()} of {size} bytes")


def _publish(partial: Path, target: Path) -> None:
    partial.chmod(0o755)
    try:
        partial.rename(target)
    except OSError:
        if not target.is_dir():
            raise
