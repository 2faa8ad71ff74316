"""The built-in profile of a model that has exactly its input and outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inference.errors import ModelError
from inference.model.profiles.profile import (
    ModelProfile,
    builtin_profiles,
    load_profile,
    profile_path,
)
from inference.vision.decoders import decoder_for

from .fitting import Returned, class_count

_OF_A_FILE = ("description", "labels")
"""Fields that say something of the built-in profile's own file."""


def built_in_for(
    spec: Mapping[str, Any], names: Sequence[str], run: Callable[[], Returned]
) -> str | None:
    """Return the built-in profile for a model with this ``input``; None if none fits, or several.

    It has the same input, has the ``names`` of all of the model's outputs and no other, and a label
    for each class. The model is ``run`` only if there may be one.
    """
    profiles = {name: load_profile(name) for name in builtin_profiles()}
    named = {name: one for name, one in profiles.items() if _has_names(one, spec, names)}
    if not named:
        return None
    returned = run()
    found = [name for name, one in named.items() if _reads(one, returned)]
    return found[0] if len(found) == 1 else None


def built_in_values(name: str) -> dict[str, Any]:
    """Return what a built-in profile says about its model."""
    values: dict[str, Any] = json.loads(profile_path(name).read_text(encoding="utf-8"))
    return {key: value for key, value in values.items() if key not in _OF_A_FILE}


def _has_names(profile: ModelProfile, spec: Mapping[str, Any], names: Sequence[str]) -> bool:
    own = profile.input
    given = [own.name, list(own.shape), own.layout, own.dtype]
    if given != [spec[key] for key in ("name", "shape", "layout", "dtype")]:
        return False
    # Without names, as from DLR, any classifier of photographs would be one of the built-in ones.
    return bool(names) and {name for _, name in profile.output.outputs} == set(names)


def _reads(profile: ModelProfile, returned: Returned) -> bool:
    decoder = decoder_for(profile, returned.names, profile.confidence_threshold)
    try:
        bound = decoder.bind(returned.arrays)
    except ModelError:
        return False
    return class_count(decoder.spec, bound, profile.input) == len(profile.labels or ())
