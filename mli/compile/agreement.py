"""How far two forms of a model agree on photographs, by what their profile publishes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from inference.model.profiles.profile import ModelProfile
from inference.vision.detections import Detections

from .tvm.suppression import overlaps

_SAME_BOX = 0.5
"""Two boxes of a class are one object from this overlap on."""


def agreement(
    pairs: Iterable[tuple[Detections, Detections]], profile: ModelProfile
) -> dict[str, Any]:
    """Compare what two forms of a model find in the same images; the first is the reference.

    The result depends on the kind of model: ``topOneAgreement`` and ``meanScoreChange`` of a
    classifier's best class; for a detector how many ``detections`` the first has above the
    threshold, the share of them that is ``matched`` by one of the same label and an overlap from
    0.5 on, how many of the second are ``unmatched``, and the mean change of matched scores; for a
    segmentation ``pixelAgreement``.
    """
    compared = list(pairs)
    first = compared[0][0]
    if first.class_map is not None:
        shares = [float(np.mean(a.class_map == b.class_map)) for a, b in compared]
        return {"images": len(compared), "pixelAgreement": _rounded(np.mean(shares))}
    if first.boxes is None:
        same = [int(a.class_ids[0]) == int(b.class_ids[0]) for a, b in compared]
        changes = [_score_of(b, a.class_ids[0]) - float(a.scores[0]) for a, b in compared]
        return {
            "images": len(compared),
            "topOneAgreement": _rounded(np.mean(same)),
            "meanScoreChange": _rounded(np.mean(np.abs(changes))),
        }
    return _of_detections(compared, profile.confidence_threshold)


def described(values: dict[str, Any]) -> str:
    """Return an agreement in words."""
    images = f"on {values['images']} images"
    if "pixelAgreement" in values:
        return f"{values['pixelAgreement']:.1%} of the pixels have the same class {images}"
    if "topOneAgreement" in values:
        return (
            f"the best class is the same in {values['topOneAgreement']:.1%} of {images[3:]}, "
            f"and its score changes by {values['meanScoreChange']:.3f} on average"
        )
    if not values["detections"]:
        return f"nothing to compare: the original detects nothing {images}"
    if values["meanScoreChange"] is None:
        return (
            f"none of {values['detections']} detections is found again {images}, and "
            f"{values['unmatched']} are new"
        )
    return (
        f"{values['matched']:.1%} of {values['detections']} detections are found again {images}, "
        f"their scores change by {values['meanScoreChange']:.3f} on average, and "
        f"{values['unmatched']} are new"
    )


def _of_detections(
    compared: list[tuple[Detections, Detections]], threshold: float
) -> dict[str, Any]:
    total = matched = unmatched = 0
    changes: list[float] = []
    for a, b in compared:
        assert a.boxes is not None and b.boxes is not None  # both of one profile
        left, right = (np.flatnonzero(one.scores >= np.float32(threshold)) for one in (a, b))
        free = set(right.tolist())
        for row in left:
            rivals = [r for r in free if b.class_ids[r] == a.class_ids[row]]
            near = overlaps(a.boxes[row], b.boxes[rivals]) if rivals else np.zeros(1)
            if near.max() >= _SAME_BOX:
                twin = rivals[int(near.argmax())]
                free.discard(twin)
                matched += 1
                changes.append(abs(float(b.scores[twin]) - float(a.scores[row])))
        total += len(left)
        unmatched += len(free)
    return {
        "images": len(compared),
        "detections": total,
        "matched": _rounded(matched / total) if total else None,
        "unmatched": unmatched,
        "meanScoreChange": _rounded(np.mean(changes)) if changes else None,
    }


def _score_of(found: Detections, class_id: Any) -> float:
    return float(found.scores[np.flatnonzero(found.class_ids == class_id)[0]])


def _rounded(value: Any) -> float:
    return round(float(value), 4)
