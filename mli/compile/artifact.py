"""The artifact that ``mli compile`` writes on this machine: model, profile and provenance.

The top of the folder holds what the engine loads, and ``SHA256SUMS`` of it. Everything else is in
the sub-folder ``profile``, because DLR takes any ``.json`` at the top for the model's graph.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.model.artifacts.digests import DIGESTS_FILE, record_digests, sha256_of
from inference.model.profiles.profile import ModelProfile, load_profile

from ..archives import write_archive
from ..errors import MliError
from ..profile.files import PROFILE_FILE, PROFILE_FOLDER, PROVENANCE_FILE

_LABELS = "labels.txt"
_ARCHIVES = (".tar.gz", ".tgz")


@dataclass(frozen=True)
class Destination:
    """Where an artifact is written: a folder, or an archive with its profile beside it."""

    path: Path

    @property
    def is_archive(self) -> bool:
        """Return whether it is a ``.tar.gz``."""
        return self.path.name.endswith(_ARCHIVES)

    @property
    def profile(self) -> Path:
        """The path of the profile once the artifact is written."""
        if not self.is_archive:
            return self.path / PROFILE_FILE
        stem = self.path.name.removesuffix(".tgz").removesuffix(".tar.gz")
        return self.path.with_name(f"{stem}-profile") / "profile.json"

    def check(self) -> None:
        """Check that nothing but an artifact would be replaced.

        Raises:
            MliError: if it would.
        """
        path = self.path
        if self.is_archive:
            if path.exists() and not path.is_file():
                raise MliError(f"--output {path}: already exists, and is not an archive")
        elif path.exists() and not _is_ours(path):
            raise MliError(
                f"--output {path}: already exists, and is not an artifact of this command"
            )


def _is_ours(path: Path) -> bool:
    return path.is_dir() and ((path / PROVENANCE_FILE).is_file() or not any(path.iterdir()))


@contextmanager
def staged(place: Destination) -> Iterator[Path]:
    """Yield a folder for a new artifact, which is moved into place if the block succeeds."""
    place.check()
    place.path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.path.name}.", dir=place.path.parent))
    try:
        fresh = work / "artifact"
        yield fresh
        fresh.chmod(0o755)
        if place.is_archive:
            files = {str(path.relative_to(fresh)): path for path in fresh.rglob("*")}
            write_archive(files, work / "archive")
            _replace(fresh / PROFILE_FOLDER, place.profile.parent, work)
            (work / "archive").replace(place.path)
        else:
            _replace(fresh, place.path, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replace(fresh: Path, target: Path, work: Path) -> None:
    if target.exists():
        target.rename(work / "old")
    fresh.rename(target)


def write_profile(
    folder: Path, values: Mapping[str, Any], labels: list[str] | None
) -> ModelProfile:
    """Write profile and labels into ``folder``, and return the profile as a core will read it.

    Raises:
        ConfigurationError: naming each faulty key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if labels is not None:
        (folder / _LABELS).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    named = {**values, "labels": None if labels is None else _LABELS}
    _write_json(folder / "profile.json", named)
    return load_profile(folder / "profile.json")


def finish(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Record where the artifact came from, and the digests of all its files."""
    record_digests(folder)
    files = {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != DIGESTS_FILE
    }
    _write_json(folder / PROVENANCE_FILE, {**provenance, "files": files})
    record_digests(folder / PROFILE_FOLDER)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
