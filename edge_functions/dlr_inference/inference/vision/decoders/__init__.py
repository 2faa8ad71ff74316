"""Decoders: from a model's outputs to detections, one module for each kind of output."""

from .interface import Decoder, UnfitOutputsError, not_finite
from .table import decoder_class, decoder_for, fitting_presets

__all__ = [
    "Decoder",
    "UnfitOutputsError",
    "decoder_class",
    "decoder_for",
    "fitting_presets",
    "not_finite",
]
