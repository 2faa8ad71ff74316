"""The connector's sampling strategies: whether to keep a frame, by its scores.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html#ml-feedback-connector-sampling-strategies

A strategy reads finite scores from 0 to 1. If nothing was predicted, confidence, margin and entropy
are 0: LEAST_CONFIDENCE and MARGIN keep such a frame, ENTROPY does not.
"""

from __future__ import annotations

import math
from typing import Callable, Sequence

from ..vision.scores import Scores
from .configuration import ENTROPY, LEAST_CONFIDENCE, MARGIN, RANDOM_SAMPLING, StrategyConfiguration

Strategy = Callable[[Sequence[float]], bool]
"""Decides from the scores of a frame whether to upload it."""


def seen_by(strategy_name: str | None, scores: Scores) -> tuple[float, ...]:
    """Return the scores as that strategy reads them: for ENTROPY alone their sum is 1."""
    return scores.normalised() if strategy_name == ENTROPY else scores.values


def confidence(scores: Sequence[float]) -> float:
    """Return the highest score."""
    return max(scores, default=0.0)


def margin(scores: Sequence[float]) -> float:
    """Return the best score minus the second best; a missing one counts as 0."""
    first, second = sorted([*scores, 0.0, 0.0], reverse=True)[:2]
    return first - second


def entropy(scores: Sequence[float]) -> float:
    """Return H = −Σ p·ln p in nats: 1.03972 for [.5, .25, .25]. A probability of 0 adds nothing."""
    return -math.fsum(p * math.log(p) for p in scores if p > 0) or 0.0


def measured(strategy_name: str | None, scores: Sequence[float]) -> float | None:
    """Return what a strategy compares with its limit; None if it reads no scores."""
    measures: dict[str | None, Callable[[Sequence[float]], float]] = {
        LEAST_CONFIDENCE: confidence,
        MARGIN: margin,
        ENTROPY: entropy,
    }
    measure = measures.get(strategy_name)
    return None if measure is None else measure(scores)


def strategy(configuration: StrategyConfiguration | None, random: Callable[[], float]) -> Strategy:
    """Return the strategy that ``configuration`` describes; None keeps every sample.

    ``random`` returns numbers from 0 to below 1, as ``random.Random(seed).random`` does.
    """
    if configuration is None:
        return lambda scores: True
    limit = configuration.limit
    strategies: dict[str, Strategy] = {
        RANDOM_SAMPLING: lambda scores: random() < limit,
        LEAST_CONFIDENCE: lambda scores: confidence(scores) <= limit,
        MARGIN: lambda scores: margin(scores) <= limit,
        ENTROPY: lambda scores: entropy(scores) > limit,
    }
    return strategies[configuration.name]
