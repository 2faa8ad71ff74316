"""Brings a component's artifacts onto the core: fetched, checked, unpacked, read-only."""

from __future__ import annotations

import base64
import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..errors import LocalCoreError
from .layout import CoreLayout
from .recipe import Artifact


class ArtifactError(LocalCoreError):
    """An artifact that cannot be fetched or unpacked, with the reason."""


class ArtifactFetcher(Protocol):
    """Where artifacts come from: a synthesised assembly, or S3."""

    def fetch(self, uri: str, destination: Path) -> bool:
        """Make ``destination`` the content of ``uri``; return False if it already was.

        Raises:
            ArtifactError: if there is no such artifact.
        """


class ArtifactStore:
    """The artifacts of the components on one core."""

    def __init__(self, layout: CoreLayout, fetcher: ArtifactFetcher) -> None:
        self._layout = layout
        self._fetcher = fetcher

    def prepare(self, component: str, version: str, artifacts: tuple[Artifact, ...]) -> None:
        """Fetch and unpack ``artifacts``; those of the component's other versions stay.

        Raises:
            ArtifactError: naming the artifact that cannot be fetched or unpacked, or whose content
                is not what it was when the version was created.
        """
        fetched = self._layout.artifacts(component, version)
        unpacked = self._layout.unarchived(component, version)
        for folder in (fetched, unpacked):
            folder.mkdir(parents=True, exist_ok=True)
        for artifact in artifacts:
            file = fetched / artifact.file_name
            changed = self._bring(artifact, file)
            file.chmod(0o555 if artifact.executable else 0o444)
            if artifact.unarchive:
                destination = unpacked / artifact.file_name.removesuffix(".zip")
                if changed or not destination.exists():
                    unzip(file, destination)

    def keep_only(self, versions: Mapping[str, str]) -> None:
        """Remove what belongs to other components, and to other versions of these, by name."""
        for folder in (self._layout.artifacts("", ""), self._layout.unarchived("", "")):
            for component in folder.iterdir() if folder.is_dir() else ():
                for version in component.iterdir():
                    if versions.get(component.name) != version.name:
                        shutil.rmtree(version)

    def _bring(self, artifact: Artifact, file: Path) -> bool:
        """Make ``file`` the artifact; return whether it was not already."""
        if not artifact.digest:
            return self._fetcher.fetch(artifact.uri, file)
        if file.exists() and sha256_of(file) == artifact.digest:
            return False
        self._fetcher.fetch(artifact.uri, file)
        if sha256_of(file) != artifact.digest:
            file.unlink()
            raise ArtifactError(
                f"{artifact.uri} has another SHA-256 digest than when its component was created"
            )
        return True


def sha256_of(file: Path) -> str:
    """Return the SHA-256 digest of a file, in base64 as recipes write it."""
    with file.open("rb") as opened:
        return base64.b64encode(hashlib.file_digest(opened, "sha256").digest()).decode()


def unzip(archive: Path, destination: Path) -> None:
    """Make ``destination`` hold what is in ``archive``, all of it or nothing.

    Raises:
        ArtifactError: if the archive is damaged, or an entry would land elsewhere.
    """
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".unzip-") as scratch:
        content = Path(scratch) / "content"
        content.mkdir()
        try:
            with zipfile.ZipFile(archive) as opened:
                for entry in opened.infolist():
                    _extract(opened, entry, content)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ArtifactError(f"{archive.name} cannot be unpacked: {error}") from error
        if destination.exists():
            shutil.rmtree(destination)
        content.rename(destination)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, destination: Path) -> None:
    mode = entry.external_attr >> 16
    path = PurePosixPath(entry.filename)
    outside = path.is_absolute() or ".." in path.parts or "\\" in entry.filename
    if outside or stat.S_ISLNK(mode):
        raise ArtifactError(f"{archive.filename}: unsafe entry {entry.filename!r}")
    target = destination / path
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    target.chmod(0o555 if mode & stat.S_IXUSR else 0o444)
