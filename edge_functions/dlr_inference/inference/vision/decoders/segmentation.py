"""One output of a class for each point of the image."""

from __future__ import annotations

import numpy as np

from ...errors import OutputError
from ..detections import Array, Detections, Outputs
from ..masks import UNKNOWN
from .binding import Bound, Role
from .interface import Decoder
from .listed import is_whole


class SegmentationDecoder(Decoder):
    """Reads a map of scores [1,C,h,w], of which the largest counts, or of class numbers [1,h,w].

    A map of one score alone tells class 1 from class 0.
    """

    @property
    def needs(self) -> str:
        """The outputs that this kind reads, in words for messages."""
        labels = self.profile.labels
        size = "C" if labels is None else str(len(labels))
        scores = f"[1,{size},h,w]" if self.spec.class_axis == 1 else f"[1,h,w,{size}]"
        return f"one output {scores} of scores or [1,h,w] of whole class numbers"

    def bind(self, outputs: Outputs) -> Bound:
        """Return the outputs by their roles."""
        return self.find(outputs, [[Role("map", lambda output: self._is_map(output))]])

    def decode(self, bound: Bound) -> Detections:
        """Return the class of each point."""
        ids = self._classes(bound["map"])
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= UNKNOWN:
            raise OutputError(
                f"profile {self.profile.name}: the model returned classes from {low} to {high}, "
                f"a map has 0 to {UNKNOWN - 1}"
            )
        nothing = np.zeros(0, np.float32)
        return Detections(nothing, nothing, class_map=ids.astype(np.uint8))

    def _classes(self, output: Array) -> Array:
        if is_whole(output) and self._is_of_numbers(output):
            if output.ndim == 3:
                return output[0]
            return output[0, 0] if output.shape[1] == 1 else output[0, ..., 0]
        if not is_whole(output):
            output = output.astype(np.float32, copy=False)
        scores = output[0] if self.spec.class_axis == 1 else np.moveaxis(output[0], 2, 0)
        if np.isnan(scores.min()):
            raise self.not_finite("a score")
        if len(scores) > 1:
            return scores.argmax(axis=0)
        if self.spec.activation == "logits":
            return (scores[0] >= 0).astype(np.uint8)
        scores = self.real(scores[0])
        advice = "set output.activation to logits"
        if is_of_numbers(scores):
            advice = "if these are numbers of classes, export them as int64 or uint8"
        self.require_probabilities(scores, advice)
        return (scores >= 0.5).astype(np.uint8)

    def _is_of_numbers(self, output: Array) -> bool:
        """Tell whether an output of whole numbers is [1,h,w], [1,1,h,w] or [1,h,w,1]."""
        return output.ndim == 3 or 1 in (output.shape[1], output.shape[-1])

    def _is_map(self, output: Array) -> bool:
        if output.size == 0 or output.shape[:1] != (1,) or output.ndim not in (3, 4):
            return False
        if is_whole(output) and self._is_of_numbers(output):
            return True
        if output.ndim != 4:
            return False
        count, labels = output.shape[self.spec.class_axis], self.profile.labels
        return labels is None or count == len(labels) or (count == 1 and len(labels) == 2)


def is_of_numbers(scores: Array) -> bool:
    """Tell whether all scores are whole and none is negative, as numbers of classes are."""
    return bool(scores.min() >= 0 and (scores == np.rint(scores)).all())
