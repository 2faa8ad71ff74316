"""The fast way to candidates finds what the whole arithmetic finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.vision.decoders import decoder_for
from inference.vision.decoders.candidates import candidates

from ..conftest import MakeProfile


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
    axis=st.sampled_from([0, 1]),
    threshold=st.sampled_from([0.0, 0.05, 0.25, 0.5, 0.9, 1.0]),
)
def test_candidates_are_those_of_the_whole_arithmetic(
    make_profile: MakeProfile, seed: int, count: int, width: int, activation: str,
    background: str, rule: str, axis: int, threshold: float,
) -> None:  # fmt: skip
    if rule != "none" and activation == "softmax":
        rule = "none"  # an objectness is a probability of its own
    generator = np.random.default_rng(seed)
    wide = activation != "probabilities"
    classes = generator.random((count, width)).astype(np.float32)
    objectness = None if rule == "none" else generator.random(count).astype(np.float32)
    if wide:
        classes = (classes * 12 - 8).astype(np.float32)
        objectness = None if objectness is None else (objectness * 12 - 6).astype(np.float32)
    profile = make_profile(output={"preset": "yolo11"}, labels=None)
    spec = replace(profile.output, activation=activation, background=background, objectness=rule)
    decoder = decoder_for(replace(profile, output=spec), (), threshold)
    table = classes if axis == 1 else classes.T.copy()
    found = candidates(decoder, table, axis, objectness)
    ids, scores = whole_arithmetic(classes, objectness, activation, background, rule)
    sure = np.abs(scores - threshold) > 1e-5
    order = np.argsort(found.rows)
    rows = found.rows[order]
    assert set(rows[sure[rows]]) == set(np.flatnonzero((scores >= threshold) & sure))
    np.testing.assert_allclose(found.scores[order], scores[rows], atol=1e-5)
    np.testing.assert_array_equal(found.class_ids[order], ids[rows])
