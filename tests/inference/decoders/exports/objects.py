"""The input, the objects that are in it, and their places in the forms that families use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH, HEIGHT = 96, 64
"""The input: its sides differ, so that an exchange of them is noticed."""

CLASSES = 5
LABELS = "".join(f"{name}\n" for name in ("ant", "bee", "cat", "dog", "elk"))

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Thing:
    """An object in input pixels: its class from 0, score, corners, and keypoints if it has any."""

    class_id: int
    score: float
    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Returned:
    """What a model returned: outputs, and their names where the family's export gives any."""

    outputs: list[Any]
    names: tuple[str, ...] = ()


def logit(probability: Any) -> Any:
    return np.log(probability) - np.log1p(-np.asarray(probability))


def centre(thing: Thing, units: str = "pixels") -> list[float]:
    x1, y1, x2, y2 = thing.box
    form = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    return list(np.array(form) / ([WIDTH, HEIGHT] * 2)) if units == "fractions" else form


def corners(thing: Thing, units: str = "pixels", order: str = "xyxy") -> list[float]:
    form = list(thing.box)
    if units == "fractions":
        form = list(np.array(form) / ([WIDTH, HEIGHT] * 2))
    return [form[1], form[0], form[3], form[2]] if order == "yxyx" else form
