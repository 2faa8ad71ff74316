"""Profiles: the built-in ones, and every fault a user's own can have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.model.profiles.profile import builtin_profiles, labels_path, load_profile
from inference.schema import ConfigurationError

from .conftest import PROFILE, MakeProfile, WriteProfile, changed

VOC = "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
VOC += "person pottedplant sheep sofa train tvmonitor"


def test_the_built_in_profiles_are_these() -> None:
    assert builtin_profiles() == (
        "caffe-ssd-voc",
        "centerface-face",
        "centernet-coco",
        "detr-coco",
        "dfine-coco",
        "efficientdet-coco",
        "efficientnet-lite0-imagenet",
        "gluoncv-ssd-voc",
        "nanodet-coco",
        "picodet-coco",
        "ppyoloe-coco",
        "retinaface-face",
        "rfdetr-coco",
        "rtdetr-coco",
        "rtdetr-deploy-coco",
        "rtdetr-ultralytics-coco",
        "rtmdet-coco",
        "sagemaker-image-classification",
        "sagemaker-object-detection",
        "scrfd-face",
        "ssdlite-mobilenet-v2-coco",
        "ssdlite-mobilenet-v2-coco-onnx",
        "tf-detection-coco",
        "tf-ssd-coco",
        "torchvision-faster-rcnn-coco",
        "torchvision-fcos-coco",
        "torchvision-imagenet",
        "torchvision-retinanet-coco",
        "torchvision-segmentation-voc",
        "torchvision-ssd-coco",
        "ultraface-face",
        "yolo-cls-imagenet",
        "yolo-end2end-coco",
        "yolo-nas-coco",
        "yolo-nms-coco",
        "yolo-pose-coco",
        "yolo-seg-coco",
        "yolo11-coco",
        "yolo12-coco",
        "yolo26-coco",
        "yolos-coco",
        "yolov10-coco",
        "yolov3-coco",
        "yolov5-coco",
        "yolov6-coco",
        "yolov7-coco",
        "yolov8-coco",
        "yolov9-coco",
        "yolox-coco",
        "yunet-face",
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


def test_a_preset_s_fields_are_overridden_by_those_beside_it(make_profile: MakeProfile) -> None:
    output = make_profile(output={"preset": "yolo11", "iouThreshold": 0.3, "scale": None}).output
    assert (output.kind, output.preset, output.iou_threshold) == ("dense", "yolo11", 0.3)
    assert (output.anchor_axis, output.box_order, output.max_detections) == (2, "cxcywh", 300)


@pytest.mark.parametrize("name", builtin_profiles())
def test_a_built_in_profile_of_coco_names_the_classes_by_the_family_s_numbers(name: str) -> None:
    profile = load_profile(name)
    if not name.endswith("-coco") or profile.labels is None or len(profile.labels) == 1:
        pytest.skip("other classes")
    whole = profile.labels.index("person") + profile.output.class_base
    by_number = len(profile.labels) > 80  # of the 90 numbers of COCO, 80 are used
    background = profile.output.background == "first"
    assert whole == (1 if by_number and not background else 0)
    assert profile.labels[-1] == "toothbrush"


def test_labels_path_is_beside_the_profile(write_profile: WriteProfile) -> None:
    path = write_profile()
    assert labels_path(path) == path.parent / "labels.txt"
    assert labels_path(write_profile(labels=None)) is None


def test_one_mean_serves_all_channels(make_profile: MakeProfile) -> None:
    assert make_profile(input__mean=[0.5]).input.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["input.1", "my input", "images[0]", "input@1", "a" * 512])
def test_an_input_may_have_any_name_that_exporters_write(
    make_profile: MakeProfile, name: str
) -> None:
    assert make_profile(input__name=name).input.name == name


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
    ("input.name", "", "input.name='': must be a name of 1 to 512 characters"),
    ("input.name", "a\n", "must be a name of 1 to 512 characters without control characters"),
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
    ("output.units", "inches", "output.units='inches': must be one of pixels, fractions"),
    ("output.preset", "yolo9000", "output.preset='yolo9000': must be one of .*did you mean yolo"),
    ("output.preset", "yolo11", "output.kind='classification': must be left out beside preset"),
    ("output", {}, "output.kind=None: is required, unless there is a preset"),
    ("output", {"kind": "dense"}, "output.boxOrder=None: is required for output kind dense"),
    ("output", {"preset": "yolo11", "columns": ["box"]}, "output.columns=.*with box, score and"),
    ("output", {"preset": "yolo11", "classBase": 1}, "output.classBase=1: does not apply to"),
    ("output", {"preset": "yolo11", "iouThreshold": 1.5}, "output.iouThreshold=1.5: must be"),
    ("output", {"preset": "yolo11", "outputs": {"boxs": 1}}, "output.outputs.boxs=1: kind dense"),
    ("output", {"preset": "yolo11", "outputs": {"rows": -1}}, "an output's name or its position"),
    ("output", {"preset": "yolo11", "outputs": "rows"}, "an output's name or its position"),
    ("output", {"preset": "yolo11", "activation": "logits"}, "probabilities, sigmoid, softmax for"),
    (
        "output",
        {"preset": "yolo11", "keypoints": [17, 4]},
        "output.keypoints=.*must be the number of points",
    ),
    ("output", {"preset": "yolo-nms", "keypoints": [17, 3]}, "must say how many points the col"),
    ("output", {"preset": "yolov3", "strides": [8, 16]}, "a list of pairs for each of the 2"),
    ("output", {"preset": "yolov3", "anchors": [[[1, 2]], []]}, "output.anchors=.*must be a list"),
    (
        "output",
        {"preset": "yolox", "boxCode": "ssd"},
        "output.anchors=0: must have a list of pairs",
    ),
    ("output", {"preset": "scrfd", "anchors": [[[1, 2]]] * 3}, "boxCode ltrb has none"),
    ("output", {"preset": "yolox", "boxCode": "centernet"}, "separateScores.* must be true"),
    ("output", {"preset": "centernet", "keypoints": [5, 2]}, "boxCode centernet has none"),
    ("output", {"preset": "yunet", "activation": "sigmoid"}, "must be probabilities for objectne"),
    ("output", {"preset": "yolov5", "objectness": "geometric"}, "geometric is of output kind grid"),
    ("output", {"preset": "scrfd", "outputs": {"boxes64": "a"}}, "output.outputs.boxes64"),
    ("output", {"preset": "yolox", "anchors": [[[1, 2]]]}, "must be left out: boxCode yolox has"),
    ("output", {"preset": "detr", "objectness": "multiply"}, "must be none where scores are"),
    ("output", {"preset": "yolo11", "anchorAxis": 3}, "output.anchorAxis=3: must be a whole"),
    ("input.letterboxPosition", "top-left", "goes with resize letterbox only"),
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


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "\udcff", "[" * 100_000], ids=lambda content: repr(content[:3])
)
def test_a_file_that_is_no_profile_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the end of a long path is left out
    path = Path("broken.json")
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=r"modelProfile=.*broken\.json"):
        load_profile(path)


def test_a_key_that_stands_twice_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.json").write_text('{"input": {"layout": "NCHW", "shape": 1, "layout": "NHWC"}}')
    with pytest.raises(ConfigurationError, match="the key 'layout' appears twice in an object"):
        load_profile("mine.json")


def test_a_name_that_is_none_lists_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"must be one of caffe-ssd-voc.*or the path"):
        load_profile("gluoncv-ssd-coco")


def test_an_empty_line_among_the_labels_is_named(write_profile: WriteProfile) -> None:
    with pytest.raises(ConfigurationError, match="has no label in line 2"):
        load_profile(write_profile("zero\n\ntwo\n"))


def test_center_crop_must_cover_the_input(write_profile: WriteProfile) -> None:
    with pytest.raises(ConfigurationError, match="at least the larger side of the crop, 8"):
        load_profile(write_profile(input__resize="center-crop", input__resizeShorterSide=7))
