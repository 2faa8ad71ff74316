"""The profile that comes with a compiled artifact."""

from __future__ import annotations

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
