"""From class scores of many candidates to the few that count: fast, since most are background."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..activations import sigmoid, softmax
from ..detections import Array, Detections
from ..suppression import CANDIDATES, suppress
from .interface import Decoder

_FOREGROUND = {"none": slice(None), "first": slice(1, None), "last": slice(-1)}
"""The columns of the classes that are objects, by the profile's ``background``."""

_SLACK = 1e-3
"""Logits this far below the threshold's are looked at too: rounding decides about none of them."""


@dataclass(frozen=True)
class Candidates:
    """The candidates that reach the threshold, in no order: their ``rows`` in the outputs."""

    rows: Array
    class_ids: Array
    scores: Array


def candidates(decoder: Decoder, classes: Array, objectness: Array | None = None) -> Candidates:
    """Return the candidates whose best class reaches the threshold, at most a thousand.

    ``classes`` is a table [A,C], in any order in memory; ``objectness`` [A] is given if the profile
    says that there is one. The largest value of a candidate decides first: only what survives goes
    through the activation.

    Raises:
        ModelError: if scores that should be probabilities are not.
        OutputError: if a score is not a number.
    """
    rows: Array | None = None
    if objectness is not None:
        rows, objectness = _passing(decoder, objectness)
        if decoder.spec.objectness == "only":
            return _best(Candidates(rows, np.zeros(len(rows), np.intp), objectness))
        classes = classes[rows]
    kinds = _FOREGROUND[decoder.spec.background]
    if decoder.spec.activation == "softmax":
        inner, scores = _exclusive(decoder, classes, kinds)
    else:
        inner, scores = _passing(decoder, _largest(classes[:, kinds]))
    if objectness is not None:
        scores = scores * objectness[inner]
        passed = scores >= decoder.threshold
        inner, scores = inner[passed], scores[passed]
    found = _best(Candidates(inner, inner, scores))
    class_ids = classes[found.rows, kinds].argmax(axis=1)
    return Candidates(found.rows if rows is None else rows[found.rows], class_ids, found.scores)


def finished(
    decoder: Decoder, found: Candidates, boxes: Array, keypoints: Array | None = None
) -> Detections:
    """Return the detections that suppression keeps; ``boxes`` are corners in input pixels.

    Raises:
        OutputError: if a box is not finite.
    """
    if not np.isfinite(boxes).all():
        raise decoder.not_finite("a box")
    spec = decoder.spec
    ids, scores = found.class_ids, found.scores
    kept = suppress(boxes, scores, ids, spec.iou_threshold, spec.max_detections)
    points = None if keypoints is None else keypoints[kept]
    return Detections(ids[kept], scores[kept], boxes[kept], points)


def least(decoder: Decoder) -> float:
    """Return the value below which no output reaches the threshold after the activation.

    For a softmax it is that of the difference to the background.
    """
    threshold = float(decoder.threshold)
    if decoder.spec.activation == "probabilities":
        return threshold
    if threshold <= 0:
        return -math.inf
    return math.log(threshold / max(1 - threshold, 1e-7)) - _SLACK


def _passing(decoder: Decoder, values: Array) -> tuple[Array, Array]:
    """Return the indices of the values whose probability reaches the threshold, and those."""
    _require_finite(decoder, values)
    if decoder.spec.activation == "sigmoid":
        rows = np.flatnonzero(values >= least(decoder))
        scores = sigmoid(values[rows])
        passed = scores >= decoder.threshold
        return rows[passed], scores[passed]
    decoder.require_probabilities(values, "set output.activation to sigmoid or softmax")
    rows = np.flatnonzero(values >= decoder.threshold)
    return rows, values[rows]


def _exclusive(decoder: Decoder, classes: Array, kinds: slice) -> tuple[Array, Array]:
    """Return the rows of ``classes`` [A,C] whose best kind reaches the threshold by a softmax.

    A probability is below the threshold if the background alone is too far above the best kind.
    """
    best = _largest(classes[:, kinds])
    _require_finite(decoder, best)
    rows = np.arange(len(best))
    if decoder.spec.background != "none":
        other = classes[:, 0 if decoder.spec.background == "first" else -1]
        rows = np.flatnonzero(~(best < other + np.float32(least(decoder))))
    scores = softmax(classes[rows])[:, kinds].max(axis=1)
    _require_finite(decoder, scores)
    passed = scores >= decoder.threshold
    return rows[passed], scores[passed]


def _largest(table: Array) -> Array:
    """Return the largest value of each row of a table [A,C], NaN where there is one.

    Of rows in one piece of memory, NumPy finds the place of the largest value several times as fast
    as the value.
    """
    count, width = table.shape
    if width == 1 or table.strides[1] != table.itemsize:
        return table.max(axis=1)
    return table[np.arange(count), table.argmax(axis=1)]


def _require_finite(decoder: Decoder, values: Array) -> None:
    """Raise ``OutputError`` for NaN and infinity. Minus infinity is a logit of what is masked."""
    if not math.isfinite(values.max(initial=0)):  # the largest is NaN if one is
        raise decoder.not_finite("a score")


def _best(found: Candidates) -> Candidates:
    """Return the candidates with the best scores, as many as suppression looks at."""
    if len(found.rows) <= CANDIDATES:
        return found
    top = np.argpartition(-found.scores, CANDIDATES)[:CANDIDATES]
    return Candidates(found.rows[top], found.class_ids[top], found.scores[top])
