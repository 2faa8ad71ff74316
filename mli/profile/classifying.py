"""What the one vector of a classifier says of itself; one that is an embedding is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inference.vision.decoders.interface import described

from ..errors import MliError
from .features import NORMALISED
from .fitting import Returned

CLASSIFICATION: Mapping[str, Any] = {"kind": "classification", "activation": "logits"}
_SHORTEST_EMBEDDING = 32
LARGEST_SUM_ERROR = 1e-3
"""How far the sum of the probabilities of one choice may be from 1."""

_LARGEST_LENGTH_ERROR = 1e-4


def check_is_no_embedding(
    path: Path, returned: Returned, scores: Any, features: Mapping[str, str]
) -> None:
    """Refuse a vector without labels that is an embedding, which no output kind is for.

    ``features`` are the reasons for which the graph says so, by the names of outputs.

    Raises:
        MliError: if it is one by the graph, or has the length 1.
    """
    if scores.size < _SHORTEST_EMBEDDING:
        return
    name = returned.name_of(scores)
    why = features.get(name, "")
    if not why and not returned.is_unlimited(scores) and _has_length_one(scores):
        why = NORMALISED
    if why:
        raise MliError(
            f"{path}: its output {described([scores], [name])} looks like an embedding, which no "
            f"profile describes: {why}; if these are scores of classes, add --labels FILE, or "
            "--preset torchvision-classification"
        )


def output_of_classifier(
    path: Path, returned: Returned, scores: Any, scale: Mapping[str, float]
) -> dict[str, Any]:
    """Return the profile's ``output``: whether the scores of a photograph are probabilities.

    ``scale`` has the fields of whole numbers.

    Raises:
        MliError: if the scores are whole numbers of no scale.
    """
    numbers = (scores.ravel() - scale.get("zeroPoint", 0.0)) * scale.get("scale", 1.0)
    if scores.dtype.kind in "iu" and not scale:
        raise MliError(
            f"{path}: its scores are {scores.dtype}, whose scale and zero point are not constants "
            "of one QuantizeLinear: export it with outputs in float32"
        )
    within = not returned.is_unlimited(scores) and numbers.min() >= 0 and numbers.max() <= 1
    output = {**CLASSIFICATION, "activation": "probabilities" if within else "logits"}
    sums_to_one = abs(float(numbers.sum()) - 1) <= LARGEST_SUM_ERROR
    if within and len(numbers) > 1 and not (sums_to_one or returned.is_exclusive(scores)):
        output["multiLabel"] = True
    return output


def _has_length_one(scores: Any) -> bool:
    """Tell whether a vector is normalised; one whose single large score is 1 may be a class."""
    numbers = scores.ravel().astype(np.float64)
    one = abs(float(np.linalg.norm(numbers)) - 1) <= _LARGEST_LENGTH_ERROR
    return one and float(np.abs(numbers).max()) < 1 - LARGEST_SUM_ERROR
