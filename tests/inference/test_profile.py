"""Profiles: the built-in ones, and every fault a user's own can have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.model.profile import builtin_profiles, labels_path, load_profile
from inference.schema import ConfigurationError

from .conftest import PROFILE, MakeProfile, WriteProfile, changed

VOC = "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
VOC += "person pottedplant sheep sofa train tvmonitor"


def test_the_built_in_profiles_are_these() -> None:
    assert builtin_profiles() == (
        "efficientnet-lite0-imagenet",
        "gluoncv-ssd-voc",
        "sagemaker-image-classification",
        "sagemaker-object-detection",
        "ssdlite-mobilenet-v2-coco",
    )


@pytest.mark.parametrize("name", builtin_profiles())
def test_each_built_in_profile_loads_and_is_called_by_its_name(name: str) -> None:
    assert load_profile(name).name == name


def test_the_default_is_the_gluoncv_ssd_of_pascal_voc() -> None:
    profile = load_profile("gluoncv-ssd-voc")
    assert profile.labels == tuple(VOC.split())
    assert profile.input.shape == (1, 3, 512, 512)
    assert profile.input.mean == (0.485, 0.456, 0.406)
    assert profile.input.std == (0.229, 0.224, 0.225)
    assert profile.input.scale == pytest.approx(1 / 255)


@pytest.mark.parametrize(
    ("name", "count"), [("ssdlite-mobilenet-v2-coco", 80), ("efficientnet-lite0-imagenet", 1000)]
)
def test_demo_profiles_have_a_label_for_each_class(name: str, count: int) -> None:
    labels = load_profile(name).labels
    assert labels is not None
    assert len(set(labels)) >= count - 2  # ImageNet has two pairs of classes with the same name


def test_labels_path_is_beside_the_profile(write_profile: WriteProfile) -> None:
    path = write_profile()
    assert labels_path(path) == path.parent / "labels.txt"
    assert labels_path(write_profile(labels=None)) is None


def test_one_mean_serves_all_channels(make_profile: MakeProfile) -> None:
    assert make_profile(input__mean=[0.5]).input.mean == (0.5, 0.5, 0.5)


FAULTS = [
    ("name", ..., "name=None: is required"),
    ("input", ..., "input=None: must be a JSON object"),
    ("input", 5, "input=5: must be a JSON object"),
    ("output", ..., "output=None: must be a JSON object"),
    ("labels", ..., "labels=None: is required"),
    ("labels", "none.txt", "labels='none.txt': cannot be read"),
    ("labels", 3, "labels=3: must be the name of a file"),
    ("confidenceThreshold", 2, "confidenceThreshold=2: must be a number from 0 to 1"),
    ("topK", 0, "topK=0: must be a whole number from 1 to 100"),
    ("treshold", 1, "treshold=1: unknown key"),
    ("input.shape", [3, 8, 8], r"input.shape=\[3, 8, 8\]: must be a list of four"),
    ("input.shape", [2, 3, 8, 8], "the first \\(the batch\\) 1"),
    ("input.shape", [1, 8, 8, 3], "must have 3 channel\\(s\\) for RGB in NCHW"),
    ("input.layout", "NCWH", "input.layout='NCWH': must be one of NCHW, NHWC"),
    ("input.colorOrder", "rgb", "must be one of RGB, BGR, GRAY"),
    ("input.colorOrder", "GRAY", "must have 1 channel"),
    ("input.resize", "centre-crop", "did you mean center-crop"),
    ("input.resizeShorterSide", 256, "goes with resize center-crop only"),
    ("input.dtype", "float16", "must be one of float32, uint8"),
    ("input.std", [0, 1, 1], "input.std=.*: must be a number from 1e-09"),
    ("input.mean", [1, 2], "one number a channel"),
    ("input.scale", "NaN", "input.scale='NaN': must be a number"),
    ("output.kind", "yolo", "output.kind='yolo': must be one of gluoncv-ssd"),
    ("output.activation", ..., "probabilities or logits"),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS)
def test_each_fault_names_the_file_the_key_and_the_rule(
    tmp_path: Path, path: str, value: object, message: str
) -> None:
    (tmp_path / "labels.txt").write_text("zero\none\n")
    profile = tmp_path / "mine.json"
    profile.write_text(json.dumps(changed(PROFILE, path, value)))
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_profile(profile)
    assert str(caught.value).startswith("mine.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff", "[" * 100_000])
def test_a_file_that_is_no_profile_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the end of a long path is left out
    path = Path("broken.json")
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=r"modelProfile=.*broken\.json"):
        load_profile(path)


def test_a_name_that_is_none_lists_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"must be one of efficientnet-lite0.*or the path"):
        load_profile("gluoncv-ssd-coco")


def test_an_empty_line_among_the_labels_is_named(write_profile: WriteProfile) -> None:
    with pytest.raises(ConfigurationError, match="has no label in line 2"):
        load_profile(write_profile("zero\n\ntwo\n"))


def test_center_crop_must_cover_the_input(write_profile: WriteProfile) -> None:
    with pytest.raises(ConfigurationError, match="at least the larger side of the crop, 8"):
        load_profile(write_profile(input__resize="center-crop", input__resizeShorterSide=7))
