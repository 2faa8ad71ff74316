"""Lists the files of a folder or glob, without opening any and without following loops."""

from __future__ import annotations

import glob
import os
import stat
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Iterator, Sequence, Tuple

from .specification import IMAGE_SUFFIXES

Signature = Tuple[int, int]
"""Time of the last change in nanoseconds, and size in bytes."""


def list_files(pattern: str) -> dict[str, Signature]:
    """Return the images of a folder, the files that a glob matches, or the one file.

    Pipes, devices and inaccessible files are left out. ``**`` skips hidden folders and symbolic
    links to folders: two links that point at each other have endless paths.
    """
    if is_folder(pattern):
        paths = _images(pattern)
    elif os.path.lexists(pattern) or not glob.has_magic(pattern):
        paths = iter([pattern])
    elif "**" in pattern.split("/"):
        paths = _walk(pattern)
    else:
        paths = glob.iglob(pattern)  # noqa: PTH207 (absolute patterns)
    signed = ((path, signature(path)) for path in paths)
    return {path: sign for path, sign in signed if sign is not None}


def is_folder(path: str) -> bool:
    """Return whether ``path`` is a folder; False if a folder above it may not be entered."""
    return os.path.isdir(path)  # noqa: PTH112 (pathlib's raises then)


def closed_folder(path: str) -> str:
    """Return the folder above ``path`` that this user may not enter, or an empty text."""
    for folder in map(str, reversed(PurePosixPath(path).parents)):
        if is_folder(folder) and not os.access(folder, os.X_OK):
            return folder
    return ""


def signature(path: str) -> Signature | None:
    """Return what changes with a file's content, or None if it is not a regular file."""
    try:
        about = os.stat(path)  # noqa: PTH116 (of 100,000 files, each look)
    except OSError:
        return None
    return (about.st_mtime_ns, about.st_size) if stat.S_ISREG(about.st_mode) else None


def _images(folder: str) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.lower().endswith(IMAGE_SUFFIXES):
                yield entry.path


def _walk(pattern: str) -> Iterator[str]:
    parts = pattern.split("/")
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    base = "/".join(parts[:fixed]) + ("/" if fixed else "")
    wanted = parts[fixed:]
    for folder, folders, names in os.walk(base or "."):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = os.path.relpath(folder, base or ".")
        above = [] if inner == "." else inner.split("/")
        for name in names:
            if _matches([*above, name], wanted):
                yield base + "/".join([*above, name])


def _matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return _matches(parts, wanted[1:]) or (bool(parts) and _matches(parts[1:], wanted))
    if not parts or (parts[0].startswith(".") and not wanted[0].startswith(".")):
        return False
    return fnmatchcase(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])
