"""The Image Classification connector in the place of the model: what it gets, and its failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.model.profiles.profile import load_profile
from inference.pipeline.pipeline import Pipeline
from inference.pipeline.results import FrameResult
from inference.serving.assembly import build_stages
from inference.settings import InferenceSettings
from inference.sources import Frame, open_source
from inference.v1 import service as module
from inference.v1.service import FrameFiles, InferenceService, Predict, model_of_service

PROFILE = replace(load_profile("efficientnet-lite0-imagenet"), labels=("cat", "dog"))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AFTER_FAILURE_SECONDS", 0.0)


def pipeline(images: Path, predict: Predict, found: list[FrameResult]) -> Pipeline:
    """A pipeline of one round through a folder, with this connector."""

    def sink(frame: Frame, result: FrameResult) -> None:
        found.append(result)

    settings = InferenceSettings(core_name="Demo", inference_interval=0, confidence_threshold=0.5)
    files = FrameFiles(open_source(str(images), repeat=False), PROFILE)
    loaded = model_of_service(InferenceService(predict), PROFILE)
    stages = build_stages(settings, loaded, [sink], source=files)
    return Pipeline(replace(stages, preprocess=files.preprocess))


def test_connector_gets_a_jpeg_or_png_as_it_is_and_anything_else_as_a_jpeg(tmp_path: Path) -> None:
    image = np.full((24, 32, 3), 90, np.uint8)
    for suffix in ("bmp", "jpg", "png"):
        cv2.imwrite(str(tmp_path / f"image.{suffix}"), image)
    sent: list[tuple[bytes, str]] = []

    def predict(data: bytes, content_type: str) -> list[float]:
        sent.append((data, content_type))
        return [0.1, 0.9]

    found: list[FrameResult] = []
    pipeline(tmp_path, predict, found).run()
    assert [kind for _, kind in sent] == ["image/jpeg", "image/jpeg", "image/png"]
    assert sent[0][0].startswith(b"\xff\xd8\xff")
    assert [sent[1][0], sent[2][0]] == [
        (tmp_path / f"image.{suffix}").read_bytes() for suffix in ("jpg", "png")
    ]
    best = [one.predictions[0] for one in found]
    assert [one.label for one in best] == ["dog"] * 3
    assert [one.score for one in best] == pytest.approx([0.9] * 3)
    assert {(one.width, one.height) for one in found} == {(32, 24)}


def test_failure_of_the_connector_costs_its_frame_and_is_a_fault_until_the_next(
    photographs: Path,
) -> None:
    faults: list[list[str]] = []
    service: InferenceService

    def answers() -> Iterator[list[float]]:
        yield from ([0.9, 0.1], [], [0.9, 0.1], [0.9, 0.1])

    given = answers()

    def predict(data: bytes, content_type: str) -> list[float]:
        faults.append([str(one) for one in service.faults()])
        answer = next(given)
        if not answer:
            raise OSError("the Image Classification connector: Queue.Full")
        return answer

    found: list[FrameResult] = []
    made = pipeline(photographs, predict, found)
    assert isinstance(made.stages.model, InferenceService)
    service = made.stages.model
    made.run()
    assert (made.counters.predicted, made.counters.failed) == (3, 1)
    assert [one.frame_id for one in found] == [1, 3, 4]
    failure = ["no model: the Image Classification connector: Queue.Full"]
    assert faults == [[], [], failure, []]
    assert service.faults() == []
