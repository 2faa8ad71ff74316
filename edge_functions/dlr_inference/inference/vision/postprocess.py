"""Converts a model's outputs to predictions, by the convention that its profile names."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Callable, Sequence, Tuple

import numpy as np

from ..errors import ModelError, OutputError
from ..model.profiles.profile import ModelProfile
from .decoders import UnfitOutputsError, decoder_for, fitting_presets, not_finite
from .detections import Detections, Outputs
from .geometry import Box, Fit
from .masks import mask_png, shares
from .scores import Scores
from .units import BoxUnits

Keypoint = Tuple[float, float, float]
"""x and y in fractions of the image, and a score."""

_NAMED_PRESETS = 12
"""A message names at most this many presets that fit."""


@dataclass(frozen=True)
class Prediction:
    """One detected object or class. ``box`` is xmin, ymin, xmax, ymax in fractions of the image.

    The score of a class of a segmentation is its share of the image.
    """

    label: str
    score: float
    box: Box | None = None
    keypoints: tuple[Keypoint, ...] | None = None


class Postprocessor:
    """Decodes outputs and chooses what to publish: labels, threshold, then the best ``top_k``."""

    def __init__(
        self,
        profile: ModelProfile,
        *,
        output_names: Sequence[str] = (),
        confidence_threshold: float | None = None,
        top_k: int | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        """``output_names`` are those of the model's outputs, in its order, if they are known."""
        self._profile = profile
        self._names = tuple(output_names)
        given = confidence_threshold
        self._threshold = profile.confidence_threshold if given is None else given
        self._decode = decoder_for(profile, self._names, self._threshold)
        self._top_k = profile.top_k if top_k is None else top_k
        self._classes = frozenset(classes)
        self._units = BoxUnits(profile)

    @property
    def fault(self) -> str | None:
        """Why the boxes of the last frames cannot be right, or None."""
        return self._units.fault

    def decode(self, outputs: Outputs) -> Detections:
        """Return what is in ``outputs``, best first, boxes in input pixels.

        Rows that nobody asks for may hold anything: unused ones, and those below the threshold.
        Heads that are not suppressed yet give only what reaches the threshold.

        Raises:
            ModelError: if the outputs are not of the profile's output kind.
            OutputError: if a value that counts is not finite, or a class has no label.
        """
        try:
            found = self._decode(outputs)
        except UnfitOutputsError as error:
            raise ModelError(f"{error}; {self._advice(outputs)}") from None
        passed = self._passed(found)
        self._check(found, passed)
        if found.boxes is not None:
            self._units.look(found.boxes[:passed])
        return found

    def __call__(self, outputs: Outputs, fit: Fit) -> list[Prediction]:
        """Decode and choose in one step."""
        return self.choose(self.decode(outputs), fit)

    def scores(self, found: Detections, fit: Fit) -> Scores:
        """Return the scores that feedback strategies read of a frame that was fitted by ``fit``.

        For a classifier this is the whole probability vector. For a detector it is the best score
        of each class that reaches the threshold, published or not. For a segmentation it is the
        share of each class in the source image.
        """
        found = self._measured(found, fit)
        if found.boxes is None:
            ids, values = found.class_ids, found.scores
            return Scores.of_classifier(ids, values, self._label, exclusive=found.exclusive)
        passed = self._passed(found)
        return Scores.of_detector(found.class_ids[:passed], found.scores[:passed], self._label)

    def choose(self, found: Detections, fit: Fit) -> list[Prediction]:
        """Return the predictions to publish for a frame that was fitted to the input by ``fit``."""
        found = self._measured(found, fit)
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
                xmin, ymin, xmax, ymax = found.boxes[row].tolist()
                box = fit.to_source((xmin, ymin, xmax, ymax))
                if box[0] >= box[2] or box[1] >= box[3]:
                    continue  # entirely in the border that the resize added
            points = None if found.keypoints is None else _located(found.keypoints[row], fit)
            predictions.append(Prediction(label, float(found.scores[row]), box, points))
        return predictions

    def mask_of(self, found: Detections, fit: Fit) -> Callable[[], bytes] | None:
        """Return what encodes a segmentation as PNG: class numbers in the source's pixels.

        It is None for outputs of another kind.
        """
        class_map, spec = found.class_map, self._profile.input
        return None if class_map is None else lambda: mask_png(class_map, fit, spec)

    def _advice(self, outputs: Outputs) -> str:
        fitting = fitting_presets(self._profile, outputs, self._names)
        if not fitting:
            return "is it the profile of this model?"
        more = ", …" if len(fitting) > _NAMED_PRESETS else ""
        return f"presets that read such outputs: {', '.join(fitting[:_NAMED_PRESETS])}{more}"

    def _measured(self, found: Detections, fit: Fit) -> Detections:
        """Return a segmentation with the share of each class, largest first; others unchanged."""
        if found.class_map is None:
            return found
        spec, labels = self._profile.input, self._profile.labels
        count = int(found.class_map.max()) + 1 if labels is None else len(labels)
        values = shares(found.class_map, count, fit, spec)
        order = np.argsort(-values, kind="stable")
        return replace(found, class_ids=order, scores=values[order])

    def _passed(self, found: Detections) -> int:
        return int(np.count_nonzero(found.scores >= np.float32(self._threshold)))

    def _check(self, found: Detections, passed: int) -> None:
        if math.isnan(found.scores.max(initial=0)):
            raise not_finite(self._profile, "a score")
        ids: Any = found.class_ids[:passed]
        counted = (
            ("a score", found.scores),
            ("a class id", found.class_ids),
            ("a box", found.boxes),
            ("a keypoint", found.keypoints),
        )
        for what, values in counted:
            if (
                values is not None
                and values.dtype.kind == "f"
                and not np.isfinite(values[:passed]).all()
            ):
                raise not_finite(self._profile, what)
        labels = self._profile.labels
        highest = ids.max() if passed else -1
        if found.class_map is not None:
            highest = found.class_map.max()
        if labels is not None and highest >= len(labels):
            raise OutputError(
                f"profile {self._profile.name}: the model returned class {int(highest)}, "
                f"its labels have entries 0 to {len(labels) - 1} only"
            )

    def _label(self, class_id: float) -> str:
        labels = self._profile.labels
        if labels is None:
            return str(int(class_id) + self._profile.output.class_base)
        return labels[int(class_id)]


def _located(points: Any, fit: Fit) -> tuple[Keypoint, ...]:
    """Return keypoints [points,3] in fractions of the source, cut to the image."""
    located = []
    for x, y, score in points.tolist():
        left, top, _, _ = fit.to_source((x, y, x, y))
        located.append((left, top, float(score)))
    return tuple(located)
