"""Archives whose bytes depend on their files only."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_archive(files: Mapping[str, Path], target: Path) -> None:
    """Write a ``.tar.gz`` of ``files`` by their names in it, sorted, without times and owners."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name in sorted(files):
            archive.add(files[name], name, recursive=False, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member
