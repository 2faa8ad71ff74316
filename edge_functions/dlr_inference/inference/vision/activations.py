"""Scores from logits, in float32 and without overflow."""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(logits: Any) -> Any:
    """Return the probability that each logit alone stands for."""
    return (0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))).astype(np.float32)


def softmax(logits: Any) -> Any:
    """Return probabilities for a vector of logits, or for each row of a table of them."""
    wide = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite logits give NaN, which the caller notices
        powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
