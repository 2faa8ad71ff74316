"""The same detector by both engines: on the photographs they find the same, at the same place."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.model.artifacts.artifact import check_artifact
from inference.model.engines.runtime import open_runtime
from inference.model.profiles.profile import load_profile
from inference.vision.images import decode
from inference.vision.postprocess import Postprocessor, Prediction
from inference.vision.preprocess import Preprocessor
from models import store

DETECTOR = "ssdlite-mobilenet-v2-coco"
THRESHOLD = 0.1

pytestmark = pytest.mark.usefixtures("dlr_here")


def predict(name: str, photograph: Path) -> list[Prediction]:
    profile = load_profile(name)
    model = open_runtime(check_artifact(store.unpacked(name)), profile.input)
    tensor, fit = Preprocessor(profile.input)(decode(photograph.read_bytes(), photograph.name))
    postprocess = Postprocessor(
        profile, output_names=model.output_names, confidence_threshold=THRESHOLD
    )
    return postprocess(model.run(tensor), fit)


@pytest.mark.parametrize("photograph", ["astronaut.jpg", "camera.jpg", "chelsea.jpg", "coffee.jpg"])
def test_detections_of_both_engines_are_the_same(photographs: Path, photograph: str) -> None:
    by_dlr = predict(DETECTOR, photographs / photograph)
    by_onnxruntime = predict(f"{DETECTOR}-onnx", photographs / photograph)
    assert by_dlr
    assert [one.label for one in by_onnxruntime] == [one.label for one in by_dlr]
    for one, other in zip(by_onnxruntime, by_dlr):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.box == pytest.approx(other.box, abs=1e-5)
