"""Converts a model's outputs to predictions, by the convention that its profile names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from ..errors import ModelError, OutputError
from ..model.profile import ModelProfile
from .geometry import Box, Fit
from .scores import Scores
from .units import BoxUnits

Outputs = Sequence[Any]
"""The ``numpy.ndarray`` objects that a model returned, in its order."""


@dataclass(frozen=True)
class Prediction:
    """One detected object or class. ``box`` is xmin, ymin, xmax, ymax in fractions of the image."""

    label: str
    score: float
    box: Box | None = None


@dataclass(frozen=True)
class Detections:
    """All that a model found in a frame, as parallel arrays, best first."""

    class_ids: Any
    scores: Any
    boxes: Any | None = None


class Postprocessor:
    """Decodes outputs and chooses what to publish: labels, threshold, then the best ``top_k``."""

    def __init__(
        self,
        profile: ModelProfile,
        *,
        confidence_threshold: float | None = None,
        top_k: int | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        self._profile = profile
        self._decode = _DECODERS[profile.output.kind]
        given = confidence_threshold
        self._threshold = profile.confidence_threshold if given is None else given
        self._top_k = profile.top_k if top_k is None else top_k
        self._classes = frozenset(classes)
        self._units = BoxUnits(profile)

    @property
    def fault(self) -> str | None:
        """Why the boxes of the last frames cannot be right, or None."""
        return self._units.fault

    def decode(self, outputs: Outputs) -> Detections:
        """Return everything in ``outputs``, best first, boxes in input pixels.

        Rows that nobody asks for may hold anything: unused ones, and those below the threshold.

        Raises:
            ModelError: if the outputs are not of the profile's output kind.
            OutputError: if a value that counts is not finite, or a class has no label.
        """
        found = self._decode(outputs, self._profile)
        self._check(found)
        if found.boxes is not None:
            self._units.look(found.boxes[: self._passed(found)])
        return found

    def __call__(self, outputs: Outputs, fit: Fit) -> list[Prediction]:
        """Decode and choose in one step."""
        return self.choose(self.decode(outputs), fit)

    def scores(self, found: Detections) -> Scores:
        """Return the scores that feedback strategies read.

        For a classifier this is the whole probability vector. For a detector it is the best score
        of each class that reaches the threshold, published or not.
        """
        if found.boxes is None:
            return Scores.of_classifier(found.class_ids, found.scores, self._label)
        passed = self._passed(found)
        return Scores.of_detector(found.class_ids[:passed], found.scores[:passed], self._label)

    def choose(self, found: Detections, fit: Fit) -> list[Prediction]:
        """Return the predictions to publish for a frame that was fitted to the input by ``fit``."""
        passed = self._passed(found)
        predictions: list[Prediction] = []
        for row in range(passed):
            if len(predictions) == self._top_k:
                break
            label = self._label(found.class_ids[row])
            if self._classes and label not in self._classes:
                continue
            box: Box | None = None
            if found.boxes is not None:
                xmin, ymin, xmax, ymax = (float(value) for value in found.boxes[row])
                box = fit.to_source((xmin, ymin, xmax, ymax))
                if box[0] >= box[2] or box[1] >= box[3]:
                    continue  # entirely in the border that the resize added
            predictions.append(Prediction(label, float(found.scores[row]), box))
        return predictions

    def _passed(self, found: Detections) -> int:
        return int(np.count_nonzero(found.scores >= np.float32(self._threshold)))

    def _check(self, found: Detections) -> None:
        if np.isnan(found.scores).any():
            raise _not_finite(self._profile, "a score")
        passed = self._passed(found)
        ids, labels = found.class_ids[:passed], self._profile.labels
        counted = (
            ("a score", found.scores),
            ("a class id", found.class_ids),
            ("a box", found.boxes),
        )
        for what, values in counted:
            if values is not None and not np.isfinite(values[:passed]).all():
                raise _not_finite(self._profile, what)
        if labels is not None and passed and ids.max() >= len(labels):
            raise OutputError(
                f"profile {self._profile.name}: the model returned class {int(ids.max())}, "
                f"its labels have entries 0 to {len(labels) - 1} only"
            )

    def _label(self, class_id: float) -> str:
        labels = self._profile.labels
        return str(int(class_id)) if labels is None else labels[int(class_id)]


def _gluoncv_ssd(outputs: Outputs, profile: ModelProfile) -> Detections:
    """Read class ids [1,N,1], scores [1,N,1], boxes [1,N,4]; unused rows have class id −1."""
    shapes = _shapes(outputs)
    rows = shapes[0][1] if shapes and len(shapes[0]) == 3 else 0
    if shapes != [(1, rows, 1), (1, rows, 1), (1, rows, 4)]:
        raise _mismatch(profile, "three outputs [1,N,1], [1,N,1] and [1,N,4]", shapes)
    ids, scores, boxes = outputs[0][0, :, 0], outputs[1][0, :, 0], outputs[2][0]
    return _detections(ids, _real(scores, profile), _in_pixels(boxes, profile))


def _sagemaker_ssd(outputs: Outputs, profile: ModelProfile) -> Detections:
    """Read one output [1,N,6] of class id, score and box."""
    shapes = _shapes(outputs)
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1 or shapes[0][2] != 6:
        raise _mismatch(profile, "one output [1,N,6]", shapes)
    rows = outputs[0][0]
    return _detections(rows[:, 0], rows[:, 1], _in_pixels(rows[:, 2:], profile))


def _classification(outputs: Outputs, profile: ModelProfile) -> Detections:
    """Read one output of K scores; logits become probabilities by softmax.

    One score alone is that of a binary classifier, whose second class it is. Its profile may name
    both classes, or only that one.
    """
    shapes = _shapes(outputs)
    size = int(np.prod(shapes[0])) if shapes else 0
    if len(shapes) != 1 or size == 0 or max(shapes[0], default=1) != size:
        raise _mismatch(profile, "one output [1,K]", shapes)
    binary = size == 1 and (profile.labels is None or len(profile.labels) == 2)
    if profile.labels is not None and len(profile.labels) != size and not binary:
        raise ModelError(
            f"profile {profile.name}: the model has {size} classes, "
            f"its labels have {len(profile.labels)} entries"
        )
    scores = _real(outputs[0].reshape(size), profile)
    if not np.isfinite(scores).all():
        raise _not_finite(profile, "a score")
    if profile.output.activation == "logits":
        scores = sigmoid(scores) if size == 1 else softmax(scores)
    elif float(scores.min()) < -1e-3 or float(scores.max()) > 1 + 1e-3:
        raise ModelError(
            f"profile {profile.name}: says that the model returns probabilities, but its scores "
            f"go from {scores.min():.4g} to {scores.max():.4g}; set output.activation to logits"
        )
    if binary:
        scores = np.concatenate([1 - scores, scores])
    order = np.argsort(-scores, kind="stable")
    return Detections(order, scores[order])


def sigmoid(logits: Any) -> Any:
    """Return the probability that each logit alone stands for, in float32, without overflow."""
    return (0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))).astype(np.float32)


def softmax(logits: Any) -> Any:
    """Return probabilities for a vector of logits, in float32, without overflow."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return (powers / powers.sum()).astype(np.float32)


def _real(scores: Any, profile: ModelProfile) -> Any:
    """Return scores as real numbers; whole numbers by the profile's scale and zero point."""
    if scores.dtype.kind not in "iu":
        return scores
    if profile.output.scale is None:
        raise ModelError(
            f"profile {profile.name}: the model returns {scores.dtype} scores; set output.scale "
            "and output.zeroPoint to those of its last quantisation, such as 0.00390625 and 0"
        )
    real = (scores.astype(np.float64) - profile.output.zero_point) * profile.output.scale
    return real.astype(np.float32)


def _in_pixels(boxes: Any, profile: ModelProfile) -> Any:
    if profile.output.units == "pixels":
        return boxes
    size = (profile.input.width, profile.input.height)
    return boxes * np.array(size * 2, np.float32)


def _detections(ids: Any, scores: Any, boxes: Any) -> Detections:
    used = np.flatnonzero(~(ids < 0))  # with an id that is no number, so that it is noticed
    order = used[np.argsort(-scores[used], kind="stable")]
    return Detections(ids[order], scores[order], boxes[order])


def _not_finite(profile: ModelProfile, what: str) -> OutputError:
    return OutputError(
        f"profile {profile.name}: {what} that the model returned is not finite; if that repeats, "
        "check mean and std, or compile the model again"
    )


def _shapes(outputs: Outputs) -> list[tuple[int, ...]]:
    return [tuple(int(extent) for extent in output.shape) for output in outputs]


def _mismatch(profile: ModelProfile, wanted: str, shapes: list[tuple[int, ...]]) -> ModelError:
    got = ", ".join(str(list(shape)) for shape in shapes) or "none"
    return ModelError(
        f"profile {profile.name}: output kind {profile.output.kind} needs {wanted}, "
        f"the model returned {got}; is it the profile of this model?"
    )


_DECODERS: dict[str, Callable[[Outputs, ModelProfile], Detections]] = {
    "gluoncv-ssd": _gluoncv_ssd,
    "sagemaker-ssd": _sagemaker_ssd,
    "classification": _classification,
}
