"""Builders of small profiles and real artifacts for the tests of the inference package."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

from inference.model.profiles.profile import ModelProfile, load_profile
from models import store

PROFILE: dict[str, Any] = {
    "name": "test-model",
    "input": {
        "name": "data",
        "shape": [1, 3, 8, 8],
        "layout": "NCHW",
        "dtype": "float32",
        "colorOrder": "RGB",
        "resize": "stretch",
    },
    "output": {"kind": "classification", "activation": "probabilities"},
    "labels": "labels.txt",
    "confidenceThreshold": 0.1,
    "topK": 5,
}

MakeProfile = Callable[..., ModelProfile]
WriteProfile = Callable[..., Path]


def changed(values: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a deep copy of ``values`` with one entry, by dotted path, set or (``...``) removed."""
    copy: dict[str, Any] = json.loads(json.dumps(values))
    *parents, last = path.split(".")
    target = copy
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return copy


@pytest.fixture
def write_profile(tmp_path: Path) -> WriteProfile:
    """Return a function that writes :data:`PROFILE` with changes by dotted path, and its labels."""

    def write(label_lines: str = "zero\none\ntwo\n", **changes: object) -> Path:
        values = PROFILE
        for path, value in changes.items():
            values = changed(values, path.replace("__", "."), value)
        (tmp_path / "labels.txt").write_text(label_lines, encoding="utf-8")
        written = tmp_path / "profile.json"
        written.write_text(json.dumps(values), encoding="utf-8")
        return written

    return write


@pytest.fixture
def make_profile(write_profile: WriteProfile) -> MakeProfile:
    """Return a function that loads what :func:`write_profile` wrote."""

    def make(label_lines: str = "zero\none\ntwo\n", **changes: object) -> ModelProfile:
        return load_profile(write_profile(label_lines, **changes))

    return make


@pytest.fixture(scope="session")
def dlr_here() -> None:
    """Skip on processors other than that which the demo models for DLR are compiled for."""
    if platform.machine() != "x86_64":
        pytest.skip("the demo models for DLR are compiled for x86-64")


@pytest.fixture
def classifier(dlr_here: None, tmp_path: Path) -> Path:
    """A copy of the unpacked EfficientNet-Lite0, to be damaged."""
    return Path(shutil.copytree(store.unpacked("efficientnet-lite0-imagenet"), tmp_path / "model"))


@pytest.fixture
def detector(dlr_here: None, tmp_path: Path) -> Path:
    """A copy of the unpacked SSDLite-MobileNetV2, to be damaged."""
    return Path(shutil.copytree(store.unpacked("ssdlite-mobilenet-v2-coco"), tmp_path / "model"))
