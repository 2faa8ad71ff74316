"""Suppression in blocks keeps exactly the boxes that the definition keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.vision.suppression import CANDIDATES, suppress


def overlap(first: Any, second: Any) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (first, second)]
    together = sum(areas) - common
    return common / together if together > 0 else 0.0


def one_by_one(boxes: Any, scores: Any, ids: Any, iou: float, limit: int) -> list[int]:
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        rivals = [other for other in kept if ids[other] == ids[index]]
        if all(overlap(boxes[index], boxes[other]) <= iou for other in rivals):
            kept.append(int(index))
    return kept[:limit]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 260),
    classes=st.integers(1, 4),
    iou=st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]),
    limit=st.sampled_from([1, 20, 300]),
    unit=st.sampled_from([1.0, 640.0]),
)
def test_blocks_keep_what_one_by_one_keeps(
    seed: int, count: int, classes: int, iou: float, limit: int, unit: float
) -> None:
    generator = np.random.default_rng(seed)
    low = generator.random((count, 2)) * 0.6
    boxes = np.concatenate([low, low + 0.05 + generator.random((count, 2)) * 0.3], axis=1)
    scores = np.round(generator.random(count), 2)  # with equal ones
    ids = generator.integers(0, classes, count)
    found = suppress(boxes * unit, scores, ids, iou, limit)
    assert found.tolist() == one_by_one(boxes, scores, ids, iou, limit)


def test_only_the_best_thousand_are_looked_at() -> None:
    count = 3 * CANDIDATES
    boxes = np.arange(count, dtype=np.float32)[:, None] * 10 + np.array([0, 0, 1, 1], np.float32)
    scores = np.linspace(0.1, 0.9, count)
    found = suppress(boxes, scores, np.zeros(count, int), 0.5, count)
    assert found.tolist() == list(range(count - 1, count - 1 - CANDIDATES, -1))


@pytest.mark.parametrize("value", [1e38, -1e38, 3.4e38])
def test_absurd_boxes_suppress_nothing_and_warn_of_nothing(value: float) -> None:
    boxes = np.full((3, 4), value, np.float32)
    boxes[:, 2:] *= np.float32(-1)
    with np.errstate(over="raise", invalid="raise"):
        assert len(suppress(boxes, np.ones(3), np.zeros(3, int), 0.5, 10)) >= 1
