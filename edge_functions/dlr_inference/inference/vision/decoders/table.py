"""The decoder of each kind of output, and the presets that fit what a model returned."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Mapping, Sequence

from ...errors import ModelError
from ...model.profiles.outputs import parse_output
from ...model.profiles.presets import PRESETS
from ...model.profiles.profile import ModelProfile
from ..detections import Outputs
from .interface import Decoder

_DECODERS: Mapping[str, tuple[str, str]] = {
    "gluoncv-ssd": ("listed", "GluonCvDecoder"),
    "sagemaker-ssd": ("listed", "SageMakerDecoder"),
    "classification": ("classification", "ClassificationDecoder"),
    "dense": ("dense", "DenseDecoder"),
    "grid": ("grid", "GridDecoder"),
    "rows": ("listed", "RowsDecoder"),
    "lists": ("listed", "ListsDecoder"),
    "queries": ("dense", "DenseDecoder"),
    "segmentation": ("segmentation", "SegmentationDecoder"),
}
"""The module and the class for each kind: a core has one model, and imports only its decoder."""


def decoder_for(profile: ModelProfile, names: Sequence[str], threshold: float) -> Decoder:
    """Return the decoder of the profile's output kind, for outputs with these ``names``."""
    return decoder_class(profile.output.kind)(profile, names, threshold)


def decoder_class(kind: str) -> type[Decoder]:
    """Import and return the decoder of an output kind."""
    module, name = _DECODERS[kind]
    found: type[Decoder] = getattr(import_module(f".{module}", __package__), name)
    return found


def fitting_presets(
    profile: ModelProfile, outputs: Outputs, names: Sequence[str] = ()
) -> list[str]:
    """Return the presets that read outputs of these shapes, with the profile's input and labels.

    Several families write the same shapes with another meaning, so this proves none of them.
    """
    found = []
    for name in PRESETS:
        spec, _ = parse_output({"preset": name})
        assert spec is not None  # tests/inference/decoders/test_families.py tries each
        try:
            decoder_for(replace(profile, output=spec), names, 0.5).bind(outputs)
        except ModelError:
            continue
        found.append(name)
    return found
