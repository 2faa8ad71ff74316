"""Heads that the core decodes: what ``compile`` makes of each family finds the known boxes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.model.artifacts.artifact import check_artifact
from inference.model.engines.runtime import open_runtime
from inference.model.profiles.profile import ModelProfile, load_profile
from inference.vision.postprocess import Postprocessor
from inference.vision.preprocess import Preprocessor

from ...inference.decoders.exports.objects import HEIGHT, LABELS, WIDTH
from ...inference.decoders.families import FAMILIES, POINTED
from ...inference.decoders.test_families import SOURCE, WANTED, assert_found, things
from ...inference.decoders.test_onnx import model_of
from .conftest import Run

pytestmark = pytest.mark.usefixtures("forked", "forked_tvm")

REPOSITORY = Path(__file__).parents[3]
COMPILED = (
    "yolo11",
    "yolov7-raw",
    "yolo-end2end",
    "tf-detection",
    "detr",
    "torchvision-ssd-raw",
    "scrfd",
)
"""One family for each kind of head: raw in one tensor, grids, rows, lists, queries, raw in two, and
a grid in an output for each part."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ONNX model of each family that returns known boxes, and their labels."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "labels.txt").write_text(LABELS)
    profile = _profile(folder)
    for preset, returned in FAMILIES.items():
        found = things(profile, points=POINTED.get(preset, 0))
        (folder / f"{preset}.onnx").write_bytes(model_of(returned(found)))
    cv2.imwrite(str(folder / "picture.png"), _picture())
    return folder


def _profile(folder: Path) -> ModelProfile:
    """A profile whose input is that of the models: their boxes are placed by its resize rule."""
    values = {
        "name": "known",
        "input": {
            "name": "data", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW", "dtype": "float32",
            "colorOrder": "RGB", "resize": "stretch",
        },
        "output": {"preset": "yolo11"}, "labels": None, "confidenceThreshold": 0.25, "topK": 20,
    }  # fmt: skip
    path = folder / "placing.json"
    path.write_text(json.dumps(values))
    return load_profile(path)


def _picture() -> Any:
    return np.full((SOURCE[1], SOURCE[0], 3), 99, np.uint8)


def _arguments(known: Path, compiler: str, preset: str, target: Path) -> list[object]:
    return [
        "compile", "--with", compiler, known / f"{preset}.onnx", "--preset", preset,
        "--labels", known / "labels.txt", "--resize", "stretch", "--threshold", "0.25",
        "--top-k", "20", "--output", target, "--json",
    ]  # fmt: skip


@pytest.mark.parametrize("preset", FAMILIES)
def test_a_family_s_boxes_come_out_of_onnx_runtime(
    known: Path, run: Run, tmp_path: Path, preset: str
) -> None:
    target = tmp_path / "artifact"
    done = run(*_arguments(known, "onnxruntime", preset, target))
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["verified"]["detections"] == len(WANTED)
    profile = load_profile(target / "profile" / "profile.json")
    model = open_runtime(check_artifact(target), profile.input)
    tensor, fitted = Preprocessor(profile.input)(_picture())
    read = Postprocessor(profile, output_names=model.output_names)
    assert_found(read(model.run(tensor), fitted))


@pytest.mark.slow
@pytest.mark.parametrize("preset", COMPILED)
def test_each_kind_of_head_also_runs_on_dlr(
    known: Path, run: Run, tmp_path: Path, preset: str
) -> None:
    target = tmp_path / "artifact"
    done = run(*_arguments(known, "tvm", preset, target))
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["verified"]["detections"] == len(WANTED)
    command = [sys.executable, "-m", "mli", "infer", "--model", target]
    done_infer = subprocess.run(
        [*map(str, command), "--images", str(known / "picture.png")],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done_infer.returncode == 0, done_infer.stderr
    found = json.loads(done_infer.stdout)
    names = LABELS.split()
    assert [one["prediction"] for one in found] == [names[number] for number, _, _ in WANTED]
    for one, (_, score, box) in zip(found, WANTED, strict=True):
        assert float(one["confidence"]) == pytest.approx(score, abs=2e-3)
        assert one["box"] == pytest.approx(box, abs=2e-3)


def test_outputs_that_nothing_describes_are_named_with_presets_that_fit(
    known: Path, run: Run, tmp_path: Path
) -> None:
    done = run(
        "compile", "--with", "onnxruntime", known / "yolo11.onnx", "--output", tmp_path / "out"
    )
    assert done.exit_code == 1
    line = done.stderr.splitlines()[-1]
    assert "outputs output0 float32 [1, 9, 126]: not supported" in line
    assert "Presets that read such outputs: " in line
    assert "yolo11" in line
