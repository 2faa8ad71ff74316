"""One output of a score for each class of the whole image."""

from __future__ import annotations

import numpy as np

from ...errors import ModelError
from ..activations import sigmoid, softmax
from ..detections import Array, Detections, Outputs
from .binding import Bound, Role
from .interface import Decoder


class ClassificationDecoder(Decoder):
    """Reads one output of K scores: of one choice, or of several labels by themselves.

    One score alone is that of a binary classifier, whose second class it is. Its profile may name
    both classes, or only that one.
    """

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        return "one output [1,K]"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        alone = len(outputs) == 1
        scores = Role("scores", _is_vector, lambda output: alone or self._has_all_classes(output))
        return self.find(outputs, [[scores]])

    def decode(self, bound: Bound) -> Detections:
        """Return all classes; logits become probabilities."""
        size, labels = int(bound["scores"].size), self.profile.labels
        several = self.spec.multi_label
        binary = size == 1 and not several and (labels is None or len(labels) == 2)
        if labels is not None and len(labels) != size and not binary:
            raise ModelError(
                f"profile {self.profile.name}: the model has {size} classes, "
                f"its labels have {len(labels)} entries"
            )
        scores = self.real(bound["scores"].reshape(size))
        if not np.isfinite(scores).all():
            raise self.not_finite("a score")
        if self.spec.activation == "logits":
            scores = sigmoid(scores) if several or size == 1 else softmax(scores)
        else:
            self.require_probabilities(scores, "set output.activation to logits")
        if binary:
            scores = np.concatenate([1 - scores, scores])
        order = np.argsort(-scores, kind="stable")
        return Detections(order, scores[order], exclusive=not several)

    def _has_all_classes(self, output: Array) -> bool:
        """Tell whether one of several outputs may be the scores, not the number of the best class.

        Quantised scores have at most 16 bits.
        """
        if output.dtype.kind in "iu" and output.dtype.itemsize > 2:
            return False
        labels, size = self.profile.labels, int(output.size)
        return labels is None or size == len(labels) or (size == 1 and len(labels) == 2)


def _is_vector(output: Array) -> bool:
    size = int(output.size)
    return size > 0 and max(output.shape, default=1) == size
