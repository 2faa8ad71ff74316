"""The members of a model's archive, listed in bounded memory before any of them is unpacked."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Iterable, Iterator, Union

from ...errors import ModelError
from .digests import is_hidden

_MAX_UNPACKED_BYTES = 4 << 30
_MAX_ENTRIES = 10_000
_MAX_HEADER_BYTES = 32 << 20
_MAX_LINK_BYTES = 4096
_MAX_LINKS_IN_A_ROW = 8
_DECOMPRESSORS: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)

Handle = Union[tarfile.TarInfo, zipfile.ZipInfo]


@dataclass(frozen=True)
class Member:
    """One file below the archive's root, and the entry that holds its content."""

    path: PurePosixPath
    size: int
    handle: Handle


@dataclass(frozen=True)
class _ArchiveEntry:
    """An entry as the archive lists it: a file, folder, link or device by ``kind``.

    ``name`` uses forward slashes; ``link`` is a link's target, from the archive's root.
    """

    name: str
    size: int
    kind: str
    handle: Handle
    link: str = ""


class TarOrZip:
    """An open archive.

    Raises:
        ModelError: if it is neither a tar, compressed or not, nor a zip.
    """

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._zip: zipfile.ZipFile | None = None
        self._stream: _Metered | None = None
        if zipfile.is_zipfile(str(archive)):
            self._zip = zipfile.ZipFile(str(archive))
        else:
            self._stream = _Metered(archive)

    def __enter__(self) -> TarOrZip:
        return self

    def __exit__(self, *details: object) -> None:
        if self._zip is not None:
            self._zip.close()
        if self._stream is not None:
            self._stream.close()

    def members(self) -> list[Member]:
        """Return the files in it, after checking that all are harmless.

        Links to files of the archive are files too, with that content. What a desktop left is not
        listed.

        Raises:
            ModelError: naming a member that would be written elsewhere, a link to anything else,
                a device, or the archive if it is too large.
        """
        entries: dict[str, _ArchiveEntry] = {}
        for count, entry in enumerate(self._entries()):
            if count == _MAX_ENTRIES:
                raise self._too_large()
            self._check_name(entry.name)
            parts = PurePosixPath(entry.name).parts
            if parts and not any(is_hidden(part) for part in parts):
                entries[str(PurePosixPath(entry.name))] = entry
        found = [
            Member(PurePosixPath(name), content.size, content.handle)
            for name, content in self._contents(entries)
        ]
        if sum(member.size for member in found) > _MAX_UNPACKED_BYTES:
            raise self._too_large()
        return found

    def open(self, member: Member) -> IO[bytes]:
        """Return the content of a member as a stream."""
        if isinstance(member.handle, zipfile.ZipInfo):
            assert self._zip is not None
            return self._zip.open(member.handle)
        content: IO[bytes] | None = self._tar.extractfile(member.handle)
        assert content is not None, "only plain files are listed"
        return content

    def _entries(self) -> Iterable[_ArchiveEntry]:
        return _zip_entries(self._zip) if self._zip is not None else self._tar_entries()

    def _tar_entries(self) -> Iterator[_ArchiveEntry]:
        assert self._stream is not None
        try:
            self._tar = tarfile.TarFile(fileobj=self._stream)  # type: ignore[arg-type]
        except (tarfile.TarError, EOFError):
            if self._stream.is_compressed or self._archive.stat().st_size == 0:
                raise
            raise ModelError(
                f"model {self._archive}: is neither a folder, nor a tar.gz, nor a zip archive"
            ) from None
        for info in self._tar:
            info.pax_headers = {}  # applied already; many of them would fill the memory
            name, link = _slashed(info.name), _slashed(info.linkname)
            kind = "file" if info.isreg() else "folder" if info.isdir() else "device"
            if info.islnk() or info.issym():
                kind = "link"
            if info.issym():
                link = posixpath.join(posixpath.dirname(name), link)
            yield _ArchiveEntry(name, info.size, kind, info, posixpath.normpath(link))
        self._stream.is_listed = True

    def _contents(self, entries: dict[str, _ArchiveEntry]) -> Iterator[tuple[str, _ArchiveEntry]]:
        """Yield each file's name and the entry with its content, which for a link is another's."""
        for name, entry in entries.items():
            content = entry
            for _ in range(_MAX_LINKS_IN_A_ROW):
                if content.kind != "link":
                    break
                content = entries.get(content.link, content)
            if content.kind in ("link", "device") or (
                content is not entry and content.kind != "file"
            ):
                raise self._not_a_file(entry)
            if content.kind == "file":
                yield name, content

    def _check_name(self, name: str) -> None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or name[1:2] == ":":
            raise ModelError(
                f"model {self._archive}: member {name!r} would be written outside its folder"
            )

    def _not_a_file(self, entry: _ArchiveEntry) -> ModelError:
        if entry.kind == "link":
            return ModelError(
                f"model {self._archive}: member {entry.name!r} is a link to {entry.link!r}, which "
                "is not a file of the archive; pack it again with tar --dereference "
                "--hard-dereference"
            )
        return ModelError(f"model {self._archive}: member {entry.name!r} is a device, not a file")

    def _too_large(self) -> ModelError:
        return ModelError(f"model {self._archive}: is larger unpacked than a model can be")


class _Metered:
    """A decompressed tar. While its members are listed, not more than headers may be read.

    ``tarfile`` reads a pax header or a long name at once, whatever size it claims to have.
    """

    def __init__(self, archive: Path) -> None:
        with archive.open("rb") as stream:
            start = stream.read(6)
        opener = next((o for magic, o in _DECOMPRESSORS if start.startswith(magic)), None)
        self._stream: IO[bytes] = archive.open("rb") if opener is None else opener(str(archive))
        self._left = _MAX_HEADER_BYTES
        self.is_compressed = opener is not None
        self.is_listed = False
        self.mode, self.name = "rb", str(archive)

    def read(self, size: int = -1) -> bytes:
        """Read like a file.

        Raises:
            OSError: if these would be headers of more than 32 MiB.
        """
        if not self.is_listed:
            self._left -= size
            if size < 0 or self._left < 0:
                raise OSError(f"its headers have more than {_MAX_HEADER_BYTES >> 20} MiB")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek like a file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Tell like a file."""
        return self._stream.tell()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _zip_entries(bundle: zipfile.ZipFile) -> Iterator[_ArchiveEntry]:
    for info in bundle.infolist():
        name, link = _slashed(info.filename), ""
        mode = stat.S_IFMT(info.external_attr >> 16)
        kind = "file" if mode in (0, stat.S_IFREG) else "device"
        if mode == stat.S_IFDIR or name.endswith("/"):
            kind = "folder"
        elif mode == stat.S_IFLNK:
            kind = "link"
            with bundle.open(info) as stream:
                target = stream.read(_MAX_LINK_BYTES).decode("utf-8", "replace")
            link = posixpath.normpath(posixpath.join(posixpath.dirname(name), _slashed(target)))
        yield _ArchiveEntry(name, info.file_size, kind, info, link)


def _slashed(name: str) -> str:
    """Return a name as Unix writes it; some tools of Windows pack backslashes."""
    return name.replace("\\", "/")
