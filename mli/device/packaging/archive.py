"""The archive that a device unpacks: identical bytes for identical content, never over a key."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ...errors import MliError
from ...files import draft_of
from ..certificates.keyfiles import PRIVATE_KEY

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE = 0o100000
_PRIVATE, _PUBLIC = 0o600, 0o644


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of ``files`` by their names; only its owner can read a private key.

    The files are stored and not deflated, because another zlib would write other bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        for name in sorted(files):
            mode = _PRIVATE if name.endswith(PRIVATE_KEY) else _PUBLIC
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (_REGULAR_FILE | mode) << 16
            opened.writestr(entry, files[name])
    return buffer.getvalue()


def save(file: Path, content: bytes) -> bool:
    """Write an archive with mode 0600; return False if an identical one exists.

    An older archive with the same key is replaced atomically.

    Raises:
        MliError: if the file is something else, or holds another key, which would be lost.
    """
    if file.exists() and file.read_bytes() == content:
        file.chmod(_PRIVATE)
        return False
    check_place(file, _private_key(content))
    file.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(file, content, _PRIVATE) as draft:
        draft.replace(file)
    return True


def check_place(file: Path, key: bytes | None = None) -> None:
    """Check that an archive with this private key may take the place of what is in a file.

    Raises:
        MliError: if the file is something else, or holds another key, which would be lost.
    """
    if not file.exists():
        return
    if (kept := _private_key(file.read_bytes())) is None or kept not in (b"", key):
        what = "is not an archive of this command" if kept is None else "holds another private key"
        raise MliError(
            f"{file} {what}, and is not overwritten: move it away, or give another --output"
        )


def _private_key(content: bytes) -> bytes | None:
    """Return the private key in an archive, b"" if it has none, None for any other file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            names = [name for name in opened.namelist() if name.endswith(PRIVATE_KEY)]
            return opened.read(names[0]) if names else b""
    except zipfile.BadZipFile:
        return None
