"""The four strategies at their exact thresholds, and by the connector's documented examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.feedback.configuration import StrategyConfiguration
from inference.feedback.strategies import confidence, entropy, margin, seen_by, strategy
from inference.v1.feedback import model_prediction
from inference.vision.scores import Scores

PROBABILITIES = st.lists(st.floats(0, 1), max_size=20)


def keeps(name: str, limit: float, scores: Sequence[float], random: float = 0.5) -> bool:
    return strategy(StrategyConfiguration(name, limit), lambda: random)(scores)


def nextafter(value: float, towards: float) -> float:
    """Return what ``math.nextafter`` does, which Python 3.8 lacks."""
    return float(np.nextafter(value, towards))


def letter(class_id: int) -> str:
    return "abcdef"[class_id]


def test_documented_example_of_least_confidence() -> None:
    assert keeps("LEAST_CONFIDENCE", 0.6, [0.2, 0.2, 0.4, 0.2])


def test_documented_example_of_margin() -> None:
    assert keeps("MARGIN", 0.02, [0.3, 0.35, 0.34, 0.01])


def test_documented_example_of_entropy() -> None:
    assert round(entropy([0.5, 0.25, 0.25]), 5) == 1.03972
    assert keeps("ENTROPY", 0.75, [0.5, 0.25, 0.25])


def test_least_confidence_includes_its_threshold() -> None:
    assert keeps("LEAST_CONFIDENCE", 0.5, [0.5, 0.5])
    assert not keeps("LEAST_CONFIDENCE", 0.5, [nextafter(0.5, 1), 0.4])


def test_margin_includes_its_threshold() -> None:
    assert keeps("MARGIN", 0.25, [0.25, 0.5, 0.125])
    assert not keeps("MARGIN", nextafter(0.25, 0), [0.25, 0.5, 0.125])


def test_entropy_excludes_its_threshold() -> None:
    pair = [0.5, 0.5]
    assert entropy(pair) == math.log(2)
    assert not keeps("ENTROPY", math.log(2), pair)
    assert keeps("ENTROPY", nextafter(math.log(2), 0), pair)


def test_random_sampling_excludes_its_rate() -> None:
    assert not keeps("RANDOM_SAMPLING", 0.5, [], random=0.5)
    assert keeps("RANDOM_SAMPLING", 0.5, [], random=nextafter(0.5, 0))


def test_rate_0_keeps_none_and_rate_1_keeps_all() -> None:
    assert not keeps("RANDOM_SAMPLING", 0.0, [], random=0.0)
    assert keeps("RANDOM_SAMPLING", 1.0, [], random=nextafter(1, 0))


def test_random_sampling_repeats_itself_from_its_seed() -> None:
    chosen = [
        [strategy(StrategyConfiguration("RANDOM_SAMPLING", 0.5), random)([]) for _ in range(50)]
        for random in (Random(7).random, Random(7).random)
    ]
    assert chosen[0] == chosen[1]
    assert 10 < sum(chosen[0]) < 40


def test_random_sampling_draws_once_a_sample_and_the_others_never() -> None:
    def forbidden() -> float:
        raise AssertionError("this strategy is not random")

    for name in ("LEAST_CONFIDENCE", "MARGIN", "ENTROPY"):
        strategy(StrategyConfiguration(name, 0.5), forbidden)([0.5])
    random = Random(1)
    keep = strategy(StrategyConfiguration("RANDOM_SAMPLING", 0.5), random.random)
    for _ in range(3):
        keep([])
    again = Random(1)
    [again.random() for _ in range(3)]
    assert random.random() == again.random()


def test_without_a_strategy_every_sample_is_kept() -> None:
    keep = strategy(None, lambda: 1.0)
    assert keep([])
    assert keep([1.0])


def test_probability_of_0_adds_nothing_to_the_entropy() -> None:
    assert entropy([1.0, 0.0]) == 0.0
    assert entropy([0.5, 0.5, 0.0]) == entropy([0.5, 0.5])


@pytest.mark.parametrize("nothing", [[], [0.0]])
def test_frame_without_a_detection_is_uncertain_but_has_no_entropy(nothing: list[float]) -> None:
    assert (confidence(nothing), margin(nothing), entropy(nothing)) == (0.0, 0.0, 0.0)
    assert keeps("LEAST_CONFIDENCE", 0.0, nothing)
    assert keeps("MARGIN", 0.0, nothing)
    assert not keeps("ENTROPY", 0.0, nothing)


def test_a_single_score_leads_by_all_of_itself() -> None:
    assert margin([0.75]) == 0.75


@given(PROBABILITIES, st.randoms())
def test_order_of_the_scores_makes_no_difference(scores: list[float], random: Random) -> None:
    shuffled = random.sample(scores, len(scores))
    assert confidence(shuffled) == confidence(scores)
    assert margin(shuffled) == margin(scores)
    assert entropy(shuffled) == entropy(scores)


@given(PROBABILITIES)
def test_measures_are_within_their_ranges(scores: list[float]) -> None:
    assert 0 <= margin(scores) <= confidence(scores) <= 1
    assert entropy(scores) >= 0


def test_classifier_is_seen_in_the_order_of_its_classes() -> None:
    scores = Scores.of_classifier([2, 0, 1], [0.5, 0.3, 0.2], letter)
    assert scores.values == (0.3, 0.2, 0.5)
    assert scores.labels == ("a", "b", "c")
    assert seen_by("ENTROPY", scores) == scores.values


def test_detector_is_seen_by_the_best_score_of_each_class() -> None:
    scores = Scores.of_detector([1, 0, 1, 0], [0.9, 0.8, 0.6, 0.1], letter)
    assert (scores.labels, scores.values) == (("b", "a"), (0.9, 0.8))


def test_detector_is_normalised_for_entropy_alone() -> None:
    scores = Scores.of_detector([1, 0], [0.75, 0.25], letter)
    assert seen_by("MARGIN", scores) == seen_by(None, scores) == (0.75, 0.25)
    doubled = Scores.of_detector([1, 0], [0.5, 0.5], letter)
    certain = Scores.of_detector([1, 0], [0.9, 0.9], letter)
    assert seen_by("ENTROPY", certain) == doubled.values
    assert entropy(seen_by("ENTROPY", certain)) == math.log(2)


def test_connector_is_never_given_an_empty_prediction() -> None:
    assert model_prediction("ENTROPY", Scores.of_detector([], [], letter)) == [0.0]
    assert model_prediction("ENTROPY", Scores.of_detector([0], [0.5], letter)) == [1.0]
