"""Writes a profile and its labels; nothing that says something else is replaced."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inference.model.profiles.labels import read_labels
from inference.model.profiles.profile import ModelProfile, load_profile

from ..errors import MliError
from ..files import draft_of

_MODE = 0o644


def labels_of(file: str) -> list[str]:
    """Return the lines of a labels file that a user gives.

    Raises:
        MliError: if it is not text, or a label is missing.
    """
    try:
        labels = read_labels(Path(file))
    except UnicodeDecodeError:
        raise MliError(f"--labels {file}: is not UTF-8 text") from None
    if not labels or not all(labels):
        line = labels.index("") + 1 if labels else 1
        raise MliError(f"--labels {file}: has no label in line {line}")
    return labels


def profile_text(values: Mapping[str, Any], labels_name: str | None) -> str:
    """Return a profile as the text of its file."""
    return json.dumps({**values, "labels": labels_name}, indent=2, ensure_ascii=False)


def write_profile(
    path: Path, values: Mapping[str, Any], labels: Sequence[str] | None, given: str | None = None
) -> ModelProfile:
    """Write a profile, and its labels beside it; return it as a core reads it.

    ``given`` is the file that the labels were read from: in the same folder it stays the profile's.

    Raises:
        MliError: if a file that would be replaced has another content.
        ConfigurationError: if a value is not valid.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = labels_name(path, labels, given)
    contents = {path: profile_text(values, name) + "\n"}
    if labels is not None and name != _name_in(path.parent, given):
        contents[path.with_suffix(".txt")] = "".join(f"{label}\n" for label in labels)
    for file, text in contents.items():
        _check(file, text)
    for file, text in reversed(contents.items()):
        if not file.exists():
            with draft_of(file, text.encode(), _MODE) as draft:
                os.link(draft, file)
    return load_profile(path)


def labels_name(path: Path, labels: Sequence[str] | None, given: str | None) -> str | None:
    """Return the name of the labels file beside the profile at ``path``."""
    if labels is None:
        return None
    return _name_in(path.parent, given) or path.with_suffix(".txt").name


def _name_in(folder: Path, given: str | None) -> str | None:
    """Return the name of a given file if it is in this folder."""
    if given is None or Path(given).resolve().parent != folder.resolve():
        return None
    return Path(given).name


def _check(file: Path, text: str) -> None:
    try:
        is_same = not file.exists() or file.read_text(encoding="utf-8") == text
    except UnicodeDecodeError:
        is_same = False
    if not is_same:
        raise MliError(
            f"--write {file}: exists with another content; remove it, or name another file"
        )
