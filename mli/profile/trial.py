"""Tries a profile on a photograph, and says why nothing is found where that is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inference.errors import InferenceError
from inference.model.profiles.profile import ModelProfile
from inference.vision.detections import Detections
from inference.vision.postprocess import Postprocessor, Prediction
from inference.vision.units import strangeness

from .engine import Engine

_SHOWN = 5


@dataclass(frozen=True)
class Trial:
    """What a profile finds in a photograph.

    ``best`` are the predictions with the highest scores: of those that reach the threshold, or of
    all if none does. ``passed`` counts the former. ``note`` is why there are none, or what is
    strange about them; with ``refuted`` it is why the profile cannot be the model's.
    """

    best: tuple[Prediction, ...] = ()
    passed: int = 0
    note: str = ""
    refuted: bool = False

    def __str__(self) -> str:
        shown = ", ".join(f"{one.label} {one.score:.3f}{_place(one)}" for one in self.best)
        if self.refuted:
            return f"cannot be: {self.note}"
        more = f", … ({self.passed} in all)" if self.passed > len(self.best) else ""
        return f"{shown or 'nothing seen'}{more}" + (f"; {self.note}" if self.note else "")

    def values(self) -> list[dict[str, Any]]:
        """Return the predictions as values of JSON."""
        return [
            {"prediction": one.label, "confidence": round(one.score, 6), "box": one.box}
            for one in self.best
        ]


def try_profile(profile: ModelProfile, engine: Engine, names: Sequence[str], pixels: Any) -> Trial:
    """Run the model on ``pixels`` (height, width, 3), and read its outputs by the profile.

    Raises:
        ModelError, MliError: if the model cannot be run.
    """
    outputs, fitted = engine.run(profile.input, pixels)
    usual = Postprocessor(profile, output_names=names)
    try:
        found = usual.decode(outputs)
        predictions = usual.choose(found, fitted)
        lenient, all_found = _whatever_the_score(profile, names, outputs) or (usual, found)
        best = predictions[:_SHOWN] or lenient.choose(all_found, fitted)
        reason = _order_fault(profile, found) or _class_fault(profile, names, outputs, all_found)
    except InferenceError as error:
        return Trial(note=_without_name(error, profile), refuted=True)
    if reason:
        return Trial(note=reason, refuted=True)
    note = _note(profile, found, all_found, bool(predictions))
    passed = _passed(found, profile) if predictions else 0
    return Trial(tuple(best), passed, note)


def _whatever_the_score(
    profile: ModelProfile, names: Sequence[str], outputs: Sequence[Any]
) -> tuple[Postprocessor, Detections] | None:
    """Decode what is below the threshold too; None if that cannot be read: it may hold anything."""
    lenient = Postprocessor(profile, output_names=names, confidence_threshold=0.0, top_k=_SHOWN)
    try:
        return lenient, lenient.decode(outputs)
    except InferenceError:
        return None


def _place(one: Prediction) -> str:
    return "" if one.box is None else f" [{', '.join(f'{value:.2f}' for value in one.box)}]"


def _without_name(error: InferenceError, profile: ModelProfile) -> str:
    return str(error).removeprefix(f"profile {profile.name}: ")


def _passed(found: Detections, profile: ModelProfile) -> int:
    return int((found.scores >= np.float32(profile.confidence_threshold)).sum())


def _order_fault(profile: ModelProfile, found: Detections) -> str:
    """Return what shows that the numbers of boxes have another order, or nothing."""
    if found.boxes is None:
        return ""
    boxes = found.boxes[: _passed(found, profile)]
    wrong = int((boxes[:, 2:] < boxes[:, :2]).any(axis=1).sum())
    if 2 * wrong <= len(boxes):
        return ""
    order = profile.output.box_order
    return f"{wrong} of {len(boxes)} boxes end before they begin, so their order is not {order}"


def _class_fault(
    profile: ModelProfile, names: Sequence[str], outputs: Sequence[Any], found: Detections
) -> str:
    """Return what shows that numbers of classes are something else, or nothing."""
    if profile.output.kind not in ("rows", "lists"):
        return ""
    ids = found.class_ids[found.scores > 0]
    strange = ids[ids != np.round(ids)]
    if len(strange):
        return f"class numbers such as {float(strange[0]):.4g} are not whole"
    if profile.output.class_base == 0:
        return ""
    from_zero = replace(profile, output=replace(profile.output, class_base=0), labels=None)
    ids = Postprocessor(from_zero, output_names=names).decode(outputs)
    if bool((ids.class_ids[ids.scores > profile.confidence_threshold] == 0).any()):
        return "class 0 is among the results, and this preset's classes begin with 1"
    return ""


def _note(profile: ModelProfile, found: Detections, all_found: Detections, seen: bool) -> str:
    """Return why nothing is found, or what is strange about all boxes, with the correction."""
    passed = _passed(found, profile)
    if found.boxes is not None and passed:
        what = strangeness(found.boxes[:passed], profile.input)
        if what is not None:
            units = profile.output.units
            other = "fractions" if units == "pixels" else "pixels"
            return f'all boxes are {what} in {units}; if they are {other}, set "units": "{other}"'
        if not seen:
            return f"{passed} boxes reach the threshold, and all lie outside the photograph"
    if passed:
        return ""
    if not len(all_found.scores) and found.class_map is None:
        return "the model returned no detection, whatever its score"
    if found.class_map is not None:
        return "" if seen else f"no class covers {profile.confidence_threshold:g} of the photograph"
    highest, threshold = float(all_found.scores.max()), profile.confidence_threshold
    return f"the highest score is {highest:.2g}, below the threshold {threshold:g}"
