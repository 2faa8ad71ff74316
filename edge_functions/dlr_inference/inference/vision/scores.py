"""What a strategy sees of a prediction: one score for each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Sequence

from ..feedback.configuration import ENTROPY


@dataclass(frozen=True)
class Scores:
    """A score for each label: a classifier's in the order of its classes, a detector's best first.

    ``sums_to_one`` tells probabilities of one choice from a detector's independent scores.
    """

    labels: tuple[str, ...]
    values: tuple[float, ...]
    sums_to_one: bool

    @classmethod
    def of_classifier(
        cls, class_ids: Sequence[int], scores: Sequence[float], label: Callable[[int], str]
    ) -> Scores:
        """Return the probability vector in the order of the class ids, whatever the given one."""
        pairs = sorted((int(i), float(score)) for i, score in zip(class_ids, scores))
        return cls(tuple(label(i) for i, _ in pairs), tuple(score for _, score in pairs), True)

    @classmethod
    def of_detector(
        cls, class_ids: Sequence[int], scores: Sequence[float], label: Callable[[int], str]
    ) -> Scores:
        """Return the best score of each class that was detected; nothing detected is empty."""
        best: dict[int, float] = {}
        for class_id, score in zip(class_ids, scores):
            best[int(class_id)] = max(float(score), best.get(int(class_id), 0.0))
        ranked = sorted(best.items(), key=lambda item: -item[1])
        return cls(tuple(label(i) for i, _ in ranked), tuple(score for _, score in ranked), False)

    def seen_by(self, strategy_name: str | None) -> tuple[float, ...]:
        """Return the values for that strategy: as they are, but for ENTROPY summing to 1."""
        total = math.fsum(self.values)
        if strategy_name != ENTROPY or self.sums_to_one or total <= 0:
            return self.values
        return tuple(value / total for value in self.values)

    def for_connector(self, strategy_name: str | None) -> list[float]:
        """Return the ``ModelPrediction`` of a request to the connector.

        The connector refuses an empty one; a single 0 has the same confidence, margin and entropy.
        """
        return list(self.seen_by(strategy_name)) or [0.0]
