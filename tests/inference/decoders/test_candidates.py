"""The fast way to candidates finds what the whole arithmetic finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.errors import OutputError
from inference.vision.decoders import UnfitOutputsError, decoder_for
from inference.vision.decoders.candidates import candidates

from ..conftest import MakeProfile
from .test_suppression import one_by_one


def whole_arithmetic(
    classes: Any, objectness: Any, activation: str, background: str, rule: str
) -> tuple[Any, Any]:
    """Return class and score of each row of [A,C], without any shortcut, in double precision."""
    table = classes.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(table - table.max(axis=1, keepdims=True))
        table = powers / powers.sum(axis=1, keepdims=True)
    elif activation == "sigmoid":
        table = 1 / (1 + np.exp(-table))
        objectness = (
            None if objectness is None else 1 / (1 + np.exp(-objectness.astype(np.float64)))
        )
    if background != "none":
        table = table[:, 1:] if background == "first" else table[:, :-1]
    if rule == "only":
        return np.zeros(len(table), int), objectness
    scores = table.max(axis=1)
    return table.argmax(axis=1), scores if objectness is None else scores * objectness


LAYOUTS = ("rows", "columns", "part of rows")


def laid_out(table: Any, layout: str) -> Any:
    """Return the same table with its rows or its columns in one piece, or between other values."""
    if layout == "columns":
        return np.asfortranarray(table)
    if layout == "rows":
        return table
    return np.pad(table, ((0, 0), (2, 3)), constant_values=np.nan)[:, 2:-3]


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 300),
    width=st.integers(2, 9),
    activation=st.sampled_from(["probabilities", "sigmoid", "softmax"]),
    background=st.sampled_from(["none", "first", "last"]),
    rule=st.sampled_from(["none", "multiply", "only"]),
    layout=st.sampled_from(LAYOUTS),
    ties=st.booleans(),
    threshold=st.sampled_from([0.0, 0.05, 0.25, 0.5, 0.9, 1.0]),
)
def test_candidates_are_those_of_the_whole_arithmetic(
    make_profile: MakeProfile, seed: int, count: int, width: int, activation: str,
    background: str, rule: str, layout: str, ties: bool, threshold: float,
) -> None:  # fmt: skip
    if rule != "none" and activation == "softmax":
        rule = "none"  # an objectness is a probability of its own
    generator = np.random.default_rng(seed)
    wide = activation != "probabilities"
    classes: Any = generator.random((count, width)).astype(np.float32)
    if ties:
        classes = np.round(classes * 4) / 4
    objectness = None if rule == "none" else generator.random(count).astype(np.float32)
    if wide:
        classes = (classes * 12 - 8).astype(np.float32)
        objectness = None if objectness is None else (objectness * 12 - 6).astype(np.float32)
    profile = make_profile(output={"preset": "yolo11"}, labels=None)
    spec = replace(profile.output, activation=activation, background=background, objectness=rule)
    decoder = decoder_for(replace(profile, output=spec), (), threshold)
    found = candidates(decoder, laid_out(classes, layout), objectness)
    ids, scores = whole_arithmetic(classes, objectness, activation, background, rule)
    sure = np.abs(scores - threshold) > 1e-5
    order = np.argsort(found.rows)
    rows = found.rows[order]
    assert set(rows[sure[rows]]) == set(np.flatnonzero((scores >= threshold) & sure))
    np.testing.assert_allclose(found.scores[order], scores[rows], atol=1e-5)
    np.testing.assert_array_equal(found.class_ids[order], ids[rows])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", ["probabilities", "sigmoid", "softmax"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_score_that_is_not_finite_is_noticed_wherever_it_is(
    make_profile: MakeProfile, value: float, threshold: float, activation: str, layout: str
) -> None:
    profile = make_profile(output={"preset": "yolo11", "activation": activation}, labels=None)
    decoder = decoder_for(profile, (), threshold)
    for row, column in ((0, 0), (3, 1), (6, 4)):
        classes = np.full((7, 5), 0.1, np.float32)
        classes[row, column] = value
        with pytest.raises(OutputError, match="a score that the model returned is not finite"):
            candidates(decoder, laid_out(classes, layout))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_masked_logits_are_no_candidates(make_profile: MakeProfile, activation: str) -> None:
    profile = make_profile(output={"preset": "yolo11", "activation": activation}, labels=None)
    classes = np.full((4, 3), -np.inf, np.float32)
    classes[:, 1] = 20
    found = candidates(decoder_for(profile, (), 0.5), classes)
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.class_ids.tolist() == [1, 1, 1, 1]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 200),
    ties=st.booleans(),
    threshold=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
)
def test_heads_of_ssd_give_what_the_whole_arithmetic_gives(
    make_profile: MakeProfile, seed: int, count: int, ties: bool, threshold: float
) -> None:
    generator = np.random.default_rng(seed)
    scores: Any = generator.random((count, 4)).astype(np.float32) ** 3
    low = generator.integers(0, 12, (count, 2)) * 8  # several boxes are the same
    boxes = np.concatenate([low, low + generator.integers(1, 6, (count, 2)) * 8], axis=1)
    if ties:
        scores = np.round(scores * 4) / 4
    output = {"preset": "yolo-nas-raw", "outputs": {"boxes": 0, "scores": 1}, "iouThreshold": 0.5}
    profile = make_profile(output=output, labels=None)
    decoder = decoder_for(profile, (), threshold)
    found = decoder([boxes[None].astype(np.float32), scores[None]])
    ids, best = scores.argmax(axis=1), scores.max(axis=1)
    passed = np.flatnonzero(best >= threshold)
    limit = profile.output.max_detections
    kept = passed[one_by_one(boxes[passed], best[passed], ids[passed], 0.5, limit)]
    np.testing.assert_array_equal(found.class_ids, ids[kept])
    np.testing.assert_array_equal(found.scores, best[kept])
    np.testing.assert_array_equal(found.boxes, boxes[kept])


def test_a_decoder_follows_outputs_whose_number_of_rows_changes(make_profile: MakeProfile) -> None:
    output = {"preset": "yolo-nas-raw", "iouThreshold": 1.0}
    decoder = decoder_for(make_profile("a\nb\n", output=output), (), 0.5)
    for count in (3, 5, 0, 3, 3):
        boxes = np.ones((1, count, 4), np.float32) * np.array([1, 2, 30, 40], np.float32)
        scores = np.full((1, count, 2), 0.9, np.float32)
        assert len(decoder([boxes, scores]).scores) == count
    with pytest.raises(UnfitOutputsError):
        decoder([np.zeros((1, 3, 2), np.float32), np.zeros((1, 3, 4), np.float32)])
