"""The profile that comes with a compiled artifact, or the command that proposes one."""

from __future__ import annotations

import shlex
from pathlib import Path


def profile_of(model: Path) -> str | None:
    """Return the path of the profile in an artifact's folder, or in the folder beside its archive.

    ``mli compile`` writes both.
    """
    name = model.name.partition(".")[0]
    for path in (model / "profile" / "profile.json", model.parent / f"{name}-profile/profile.json"):
        if path.is_file():
            return str(path)
    return None


def how_to_describe(model: Path) -> str:
    """Return in words which command writes a profile of a model that has none."""
    name = model.name.partition(".")[0] or "model"
    return f"`mli profile {shlex.quote(str(model))} --write {shlex.quote(name)}.json` proposes one"
