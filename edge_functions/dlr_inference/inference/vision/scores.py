"""The scores of one frame: one for each class, as feedback strategies read them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Sequence


@dataclass(frozen=True)
class Scores:
    """A score for each label: a classifier's in the order of its classes, a detector's best first.

    ``sums_to_one`` distinguishes probabilities of one choice from independent scores, which a
    detector has, and a classifier with several labels.
    """

    labels: tuple[str, ...]
    values: tuple[float, ...]
    sums_to_one: bool

    @classmethod
    def of_classifier(
        cls,
        class_ids: Sequence[int],
        scores: Sequence[float],
        label: Callable[[int], str],
        *,
        exclusive: bool = True,
    ) -> Scores:
        """Return the score vector in the order of the class ids, whatever the given order.

        Unless the classes are ``exclusive``, each score stands for itself.
        """
        pairs = sorted((int(i), float(score)) for i, score in zip(class_ids, scores))
        labels, values = tuple(label(i) for i, _ in pairs), tuple(score for _, score in pairs)
        return cls(labels, values, exclusive)

    @classmethod
    def of_detector(
        cls, class_ids: Sequence[int], scores: Sequence[float], label: Callable[[int], str]
    ) -> Scores:
        """Return the best score of each class that was detected; empty if nothing was."""
        best: dict[int, float] = {}
        for class_id, score in zip(class_ids, scores):
            best[int(class_id)] = max(float(score), best.get(int(class_id), 0.0))
        ranked = sorted(best.items(), key=lambda item: -item[1])
        return cls(tuple(label(i) for i, _ in ranked), tuple(score for _, score in ranked), False)

    def normalised(self) -> tuple[float, ...]:
        """Return the values scaled to a sum of 1; all zeros stay as they are."""
        total = math.fsum(self.values)
        if self.sums_to_one or total <= 0:
            return self.values
        return tuple(value / total for value in self.values)
