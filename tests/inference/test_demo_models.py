"""Both demo models on the real runtime, against results that onnxruntime gave (see the files)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.model.artifacts.artifact import check_artifact
from inference.model.engines.dlr import DlrModel
from inference.model.profiles.profile import load_profile
from inference.vision.images import decode
from inference.vision.preprocess import Preprocessor
from models import store

REFERENCES = Path(__file__).parent.parent / "reference"
PHOTOGRAPHS = ("astronaut.jpg", "camera.jpg", "chelsea.jpg", "coffee.jpg")
RECORDED_ABOVE = {"roundedWeights": 0.05, "originalWeights": 0.3}
"""The score above which a reference lists detections."""


class Demo:
    """A demo model, loaded once, with what it ought to say."""

    def __init__(self, name: str) -> None:
        self.reference: dict[str, Any] = json.loads((REFERENCES / f"{name}.json").read_text())
        profile = load_profile(name)
        self._preprocess = Preprocessor(profile.input)
        self._model = DlrModel(check_artifact(store.unpacked(name)), profile.input)

    def run(self, photograph: Path) -> tuple[Any, list[Any]]:
        """Return the input tensor and the outputs for a photograph."""
        tensor, _ = self._preprocess(decode(photograph.read_bytes(), photograph.name))
        return tensor, self._model.run(tensor)

    def expected(self, photograph: str) -> dict[str, Any]:
        """Return what onnxruntime gave for a photograph."""
        found: dict[str, Any] = self.reference["photographs"][photograph]
        return found


@pytest.fixture(scope="module")
def detector(dlr_here: None) -> Demo:
    return Demo("ssdlite-mobilenet-v2-coco")


@pytest.fixture(scope="module")
def classifier(dlr_here: None) -> Demo:
    return Demo("efficientnet-lite0-imagenet")


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_preprocessing_gives_the_very_tensor_of_the_reference(
    detector: Demo, classifier: Demo, photographs: Path, photograph: str
) -> None:
    for demo in (detector, classifier):
        tensor, _ = demo.run(photographs / photograph)
        digest = hashlib.sha256(tensor.tobytes()).hexdigest()
        assert digest == demo.expected(photograph)["inputSha256"]


@pytest.mark.parametrize("weights", ["roundedWeights", "originalWeights"])
@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_detections_are_those_of_onnxruntime(
    detector: Demo, photographs: Path, photograph: str, weights: str
) -> None:
    _, (ids, scores, boxes) = detector.run(photographs / photograph)
    expected = detector.expected(photograph)[weights]
    tolerance = detector.reference["tolerances"][weights]
    rows = (ids[0, :, 0] >= 0) & (scores[0, :, 0] > RECORDED_ABOVE[weights])
    assert int((ids >= 0).sum()) == expected["validCount"]
    assert ids[0, rows, 0].tolist() == expected["classIds"]
    np.testing.assert_allclose(
        scores[0, rows, 0], expected["scores"], rtol=0, atol=tolerance["score"]
    )
    np.testing.assert_allclose(
        boxes[0, rows], expected["boxes"], rtol=0, atol=tolerance["boxPixels"]
    )


@pytest.mark.parametrize("weights", ["roundedWeights", "originalWeights"])
@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_logits_are_those_of_onnxruntime(
    classifier: Demo, photographs: Path, photograph: str, weights: str
) -> None:
    _, [logits] = classifier.run(photographs / photograph)
    expected = np.array(classifier.expected(photograph)[weights]["logits"])
    tolerance = classifier.reference["tolerances"][weights]["logit"]
    np.testing.assert_allclose(logits[0], expected, rtol=0, atol=tolerance)
    assert int(logits.argmax()) == int(expected.argmax())
