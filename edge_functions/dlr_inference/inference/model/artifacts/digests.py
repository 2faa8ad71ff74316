"""Digests of an artifact's files, recorded in the format of ``sha256sum``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Mapping

from ...errors import ModelError
from ...syncing import sync_path

DIGESTS_FILE = "SHA256SUMS"

_PARTIAL = DIGESTS_FILE + ".partial"
_CHUNK = 1 << 20


def content_files(folder: Path) -> list[Path]:
    """Return the plain files of an artifact, sorted.

    The list of their digests is not among them, nor is what a desktop left.
    """
    ours = (DIGESTS_FILE, _PARTIAL)
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name not in ours and not is_hidden(path.name)
    )


def is_hidden(name: str) -> bool:
    """Tell whether a desktop left this file or folder: ``._x.so`` and ``__MACOSX`` of macOS."""
    return name == "__MACOSX" or (name.startswith(".") and name not in (".", ".."))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digest of each file in ``folder`` by its name.

    Raises:
        ModelError: naming a file that cannot be read.
    """
    digests: dict[str, str] = {}
    for path in content_files(folder):
        try:
            digests[path.name] = sha256_of(path)
        except OSError as error:
            raise ModelError(f"model file {path}: cannot be read: {error.strerror}") from None
    return digests


def check_digests(folder: Path, digests: Mapping[str, str]) -> bool:
    """Compare ``digests`` with the recorded ones; return whether any are recorded.

    Raises:
        ModelError: naming the first file that is missing, changed, or a model that is not listed.
    """
    recorded = _recorded(folder / DIGESTS_FILE)
    for name, digest in recorded.items():
        if name not in digests:
            raise ModelError(f"model file {folder / name}: is missing; {DIGESTS_FILE} lists it")
        if digests[name] != digest:
            size = (folder / name).stat().st_size
            raise ModelError(
                f"model file {folder / name}: is truncated or changed ({size} bytes; sha256 is "
                f"{digests[name][:12]}…, {DIGESTS_FILE} says {digest[:12]}…); copy it again"
            )
    for name in digests:
        if recorded and name not in recorded and name.endswith((".so", ".onnx")):
            raise ModelError(f"model file {folder / name}: is not listed in {DIGESTS_FILE}")
    return bool(recorded)


def record_digests(folder: Path) -> None:
    """Record the digests of a folder that passed its checks, so that later damage is noticed."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests_of(folder).items())
    partial = folder / _PARTIAL
    partial.write_text(lines, encoding="utf-8")
    sync_path(partial)  # a power cut must not leave an empty list
    partial.replace(folder / DIGESTS_FILE)


def _recorded(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"model file {path}: cannot be read: {error}") from None
    recorded: dict[str, str] = {}
    for line in lines:
        digest, _, name = line.partition(" ")
        if len(digest) != 64 or not name.strip(" *"):
            raise ModelError(f"model file {path}: {line[:80]!r} is not a digest and a file's name")
        plain = name.strip(" *")
        recorded[plain[2:] if plain.startswith("./") else plain] = digest.lower()
    return {name: digest for name, digest in recorded.items() if not is_hidden(name)}
