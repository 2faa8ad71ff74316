"""What the original model returns for an image, with which the artifact is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.model.profiles.profile import ModelProfile
from inference.vision.detections import Detections
from inference.vision.images import decode
from inference.vision.postprocess import Postprocessor
from inference.vision.preprocess import Preprocessor

from ..profile.command import SAMPLE

Expected = Callable[[list[Any]], list[Any]]
"""From the original's outputs to those that an artifact should return."""


@dataclass(frozen=True)
class Reference:
    """An image, its tensor, what the original returns for it, and what an artifact should return.

    ``seen`` counts the detections above the profile's threshold; None for a model that does not
    return detections.
    """

    name: str
    image: Any
    tensor: Any
    original: list[Any]
    expected: list[Any]
    found: Detections
    seen: int | None


def choose_reference(
    run: Callable[[Any], list[Any]],
    expected: Expected,
    profile: ModelProfile,
    names: list[str],
    image: str | None,
) -> Reference:
    """Run the original on the given image, or on sample images until one has a detection.

    ``names`` are those of the expected outputs. Without any detection the first image is the
    reference.

    Raises:
        FrameError: if the given image cannot be read.
        ModelError: if the outputs are not what the profile says.
    """
    preprocess, read = Preprocessor(profile.input), Postprocessor(profile, output_names=names)
    first: Reference | None = None
    for name, pixels in _candidates(image):
        tensor = np.array(preprocess(pixels)[0])
        original = run(tensor)
        wanted = expected(original)
        found = read.decode(wanted)
        seen = None if found.boxes is None else passed(found, profile.confidence_threshold)
        one = Reference(name, pixels, tensor, original, wanted, found, seen)
        if seen is None or seen > 0:
            return one
        first = first or one
    assert first is not None  # there is always one image
    return first


def passed(found: Detections, threshold: float) -> int:
    """Return how many detections reach a threshold."""
    return int((found.scores >= np.float32(threshold)).sum())


def _candidates(image: str | None) -> Iterator[tuple[str, Any]]:
    if image is not None:
        yield image, decode(Path(image).read_bytes(), f"--image {image}")
        return
    for path in sorted(SAMPLE.parent.glob("*.jpg"), key=lambda path: path != SAMPLE):
        yield path.name, decode(path.read_bytes(), path.name)
    yield "a generated image", _generated()


def _generated() -> Any:
    generator = np.random.default_rng(7)
    coarse = generator.integers(0, 256, (12, 16, 3), np.uint8)
    smooth = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    grain = generator.integers(0, 32, smooth.shape, np.uint8)
    return cv2.add(smooth, grain)
