"""A profile and labels that the user gives for a model that is being compiled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference.model.profiles.labels import read_labels as label_lines
from inference.model.profiles.profile import ModelProfile, labels_path, profile_path

from ..errors import MliError
from .graphs.reading import Source

_BACKGROUND = ("background", "__background__", "bg")


def check_input(name_or_path: str, profile: ModelProfile, source: Source) -> None:
    """Raise ``MliError`` if ``profile`` is that of a model with another input."""
    found = {"name": source.input, "shape": list(source.shape), "dtype": source.dtype}
    spec = profile.input
    wanted = {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype}
    for key, value in wanted.items():
        if found[key] != value:
            raise MliError(
                f"--profile {name_or_path}: says that the input's {key} is {value}, "
                f"the model's is {found[key]}"
            )


def given_values(name_or_path: str) -> dict[str, Any]:
    """Return the values of a built-in profile, or of one at a path, which was loaded before."""
    text = profile_path(name_or_path).read_text(encoding="utf-8-sig")
    values: dict[str, Any] = json.loads(text)
    return values


def read_labels(
    file: str | None, profile: str | None, classes: int | None, *, background: bool
) -> list[str] | None:
    """Return the names of the classes, or None.

    ``classes`` does not count the background; None leaves the number to the profile's decoder. A
    binary classifier has one score, and the names of one or both of its classes.

    Raises:
        MliError: if the number of lines is another.
    """
    path = Path(file) if file else labels_path(profile) if profile else None
    if path is None:
        return None
    try:
        labels = label_lines(path)
    except UnicodeDecodeError:
        raise MliError(f"--labels {path}: is not UTF-8 text") from None
    if classes is None:
        return labels
    if background and len(labels) == classes + 1 and labels[0].lower() in _BACKGROUND:
        labels = labels[1:]
    if len(labels) != classes and not (classes == 1 and len(labels) == 2):
        advice = ""
        if len(labels) == classes - 1:
            advice = "; is class 0 the background? Then add --background"
        raise MliError(
            f"--labels {path}: has {len(labels)} lines, the model {classes} classes{advice}"
        )
    return labels
