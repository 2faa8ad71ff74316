"""``profile``: what it says of artifacts of ours, of others, and of broken ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inference.model.profiles.profile import load_profile
from models import store

from .conftest import Run

LABELS = Path("edge_functions/dlr_inference/inference/profiles/efficientnet-lite0-imagenet.txt")


def test_artifact_with_its_own_profile(detector: Path, run: Run) -> None:
    done = run("profile", detector, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["machine"], found["targetDevice"]) == ("x86_64", "CORE_AVX2")
    assert found["inputs"] == [{"name": "image", "dtype": "float32", "shape": [1, 3, 32, 32]}]
    assert [one["name"] for one in found["outputs"]] == ["class_ids", "scores", "boxes"]
    assert found["provenance"]["compiler"]["tvm"].startswith("0.16")
    assert set(found["versions"]) == {"dlr", "libdlr"}
    assert found["profile"]["name"] == "detector"
    assert found["predictions"]


def test_foreign_artifact_gets_a_proposal_that_loads(run: Run, tmp_path: Path) -> None:
    folder, target = store.unpacked("efficientnet-lite0-imagenet"), tmp_path / "mine.json"
    done = run("profile", folder, "--labels", LABELS.resolve(), "--output", target)
    assert done.exit_code == 0, done.stderr
    assert "proposed, not known" in done.stderr
    assert "built-in profiles with this input and output kind: efficientnet-lite0" in done.stderr
    assert "coffee.jpg: n07920052 espresso" in done.stderr
    profile = load_profile(target)
    assert profile.input.shape == (1, 3, 224, 224)
    assert profile.output.activation == "logits"
    assert profile.labels is not None and len(profile.labels) == 1000


def test_proposal_for_a_detector_is_on_stdout(run: Run, tmp_path: Path) -> None:
    done = run("profile", store.unpacked("ssdlite-mobilenet-v2-coco"))
    assert done.exit_code == 0, done.stderr
    proposed = json.loads(done.stdout)
    assert proposed["output"] == {"kind": "gluoncv-ssd"}
    assert proposed["labels"] is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("compiled.so", "is truncated"),
        ("compiled.params", "is truncated or changed"),
        ("compiled_model.json", "is truncated or changed"),
    ],
)
def test_damaged_artifact(
    classifier: Path, run: Run, tmp_path: Path, name: str, reason: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(classifier, copy)
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: len(data) // 2])
    done = run("profile", copy)
    assert done.exit_code == 1
    assert reason in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_folder_without_a_model(run: Run, tmp_path: Path) -> None:
    done = run("profile", tmp_path)
    assert done.exit_code == 1
    assert "there is no compiled model" in done.stderr
