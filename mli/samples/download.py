"""Downloads samples: complete files only, none twice, and none over another."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import botocore.exceptions

from ..aws import error_code
from ..errors import MliError
from ..files import draft_of
from .listing import WORKERS
from .stored import StoredObject

_PARTIAL = ".partial"
_CHUNK = 1 << 20
_ABANDONED_SECONDS = 3_600.0
_SHOWN = 3
_LONGEST_NAME = 255
"""Bytes of a file's name, on every file system that Linux and macOS write."""


class ForeignFileError(MliError):
    """A file with the name of a sample is not that sample."""


def local_path(folder: Path, one: StoredObject) -> Path:
    """Return where a sample goes: its key, below ``folder``.

    Raises:
        MliError: if the key leads out of the folder, as a key of another program may.
    """
    parts = one.key.split("/")
    if any(map(_is_no_name, parts)):
        raise MliError(
            f"{one.uri}: its key is not a path below a folder; delete it, or download it"
        )
    return folder / PurePosixPath(one.key)


def _is_no_name(part: str) -> bool:
    too_long = len(part.encode()) > _LONGEST_NAME
    return part in ("", ".", "..") or "\0" in part or "\\" in part or too_long


def download(
    s3: Any,
    objects: Sequence[StoredObject],
    path_of: Callable[[StoredObject], Path],
    folder: Path,
    progress: Callable[[int], None],
) -> int:
    """Download what is not there yet; return how many files that were.

    Raises:
        ForeignFileError: after all others are there, if a name is taken by another file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    foreign: list[Path] = []
    new = 0

    def fetch(one: StoredObject) -> bool:
        try:
            return _fetched(s3, one, path_of(one))
        except ForeignFileError:
            foreign.append(path_of(one))
            return False

    with ThreadPoolExecutor(WORKERS) as pool:
        for done, is_new in enumerate(pool.map(fetch, objects), start=1):
            new += is_new
            progress(done)
    if foreign:
        named = ", ".join(map(str, sorted(foreign)[:_SHOWN]))
        raise ForeignFileError(
            f"{len(foreign)} files are not the samples of their names, and were not overwritten: "
            f"{named}{' …' if len(foreign) > _SHOWN else ''}; move them away, then repeat"
        )
    return new


def _fetched(s3: Any, one: StoredObject, target: Path) -> bool:
    """Fetch an object unless its file is there; return whether it is new."""
    if _is_there(one, target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        answer = s3.get_object(Bucket=one.bucket, Key=one.key, IfMatch=one.etag)
    except botocore.exceptions.ClientError as error:
        if error_code(error) in ("NoSuchKey", "404", "PreconditionFailed", "412"):
            raise MliError(f"{one.uri} was deleted or replaced meanwhile; repeat") from None
        raise
    handle, name = tempfile.mkstemp(prefix=".", suffix=_PARTIAL, dir=target.parent)
    try:
        with _naming(target), os.fdopen(handle, "wb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK):
                file.write(chunk)
        Path(name).chmod(0o644)
        _give_name(Path(name), target)
    except FileExistsError:
        return not _is_there(one, target)
    finally:
        Path(name).unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Let an error name ``file``, as one of a full disk does not by itself."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def write_new(file: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        FileExistsError: if there is one of that name already.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(file, data, 0o644) as draft:
        _give_name(draft, file)


def _give_name(written: Path, target: Path) -> None:
    """Give a complete file its name; unlike a rename, a link never goes over another file."""
    try:
        os.link(written, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as that of a memory card
        if target.exists():
            raise FileExistsError(target) from None
        written.rename(target)


def _is_there(one: StoredObject, target: Path) -> bool:
    """Tell whether the file of an object is there; a complete one has its size."""
    try:
        size = target.stat().st_size
    except FileNotFoundError:
        return False
    if size != one.bytes or not target.is_file():
        raise ForeignFileError(f"{target} is another file")
    return True


def _remove_abandoned(folder: Path) -> None:
    """Remove the parts of a download that was killed, unless another one is at work."""
    for path in folder.rglob(f".*{_PARTIAL}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()
