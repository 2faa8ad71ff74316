"""A profile and labels that the user gives for a model that is being compiled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference.model.labels import read_labels as label_lines
from inference.model.profile import labels_path, load_profile, profile_path

from ..errors import MliError

_BACKGROUND = ("background", "__background__", "bg")


def given_profile(name_or_path: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a built-in profile, or of one at a path, if it fits this model.

    Raises:
        ConfigurationError: if the profile is not valid.
        MliError: if it is the profile of another model.
    """
    profile = load_profile(name_or_path)
    spec, found = profile.input, described["input"]
    wanted = {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype}
    for key, value in wanted.items():
        if found[key] != value:
            raise MliError(
                f"--profile {name_or_path}: says that the input's {key} is {value}, "
                f"the model's is {found[key]}"
            )
    kind = "gluoncv-ssd" if described["kind"] == "ssd" else "classification"
    if profile.output.kind != kind:
        raise MliError(
            f"--profile {name_or_path}: says output kind {profile.output.kind}, "
            f"the compiled model's is {kind}"
        )
    values: dict[str, Any] = json.loads(profile_path(name_or_path).read_text(encoding="utf-8-sig"))
    return values


def read_labels(
    file: str | None, profile: str | None, classes: int, *, background: bool
) -> list[str] | None:
    """Return the names of the classes, or None; ``classes`` does not count the background.

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
    if background and len(labels) == classes + 1 and labels[0].lower() in _BACKGROUND:
        labels = labels[1:]
    if len(labels) != classes:
        advice = ""
        if len(labels) == classes - 1:
            advice = "; is class 0 the background? Then add --background"
        raise MliError(
            f"--labels {path}: has {len(labels)} lines, the model {classes} classes{advice}"
        )
    return labels
