"""The folder of a fleet on the workstation: its journal, and keys and archives of its cores."""

from __future__ import annotations

from pathlib import Path

from ..errors import MliError

CLAIM_FOLDER = "claim"
"""Where key and archive of the fleet's claim are."""
REMOVED_FOLDER = "removed"
"""Where the files of removed cores, and of certificates that were replaced, go."""


def fleet_folder(folder: Path | None, fleet_name: str) -> Path:
    """Return the folder of a fleet: the one that was given, or the default.

    Raises:
        MliError: if there is a file in its place.
    """
    folder = folder or Path("fleet") / fleet_name
    if folder.exists() and not folder.is_dir():
        raise MliError(f"{folder} is not a folder")
    return folder


def create_fleet_folder(folder: Path) -> None:
    """Create the folder with a rule that makes git ignore its content, unless there is one."""
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        (folder / ".gitignore").write_text("*\n")


def core_folder(folder: Path, core: str) -> Path:
    """Return the folder of a core in that of its fleet, also of one that is named like another."""
    is_taken = core.lower() in (CLAIM_FOLDER, REMOVED_FOLDER)
    return folder / (f"{core}.core" if is_taken else core)  # no core has a dot in its name


def put_aside(files: Path, folder: Path, name: str) -> None:
    """Move ``files`` to what was removed of a fleet, under this name, or with a number after it."""
    target = folder / REMOVED_FOLDER / name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{name}-{number}")
    files.rename(target)
