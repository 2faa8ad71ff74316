"""Segmentations: the share of each class in the picture, and a mask of the picture's size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from inference.errors import ModelError, OutputError
from inference.vision.geometry import fit
from inference.vision.masks import UNKNOWN
from inference.vision.postprocess import Postprocessor

from ..conftest import MakeProfile
from .test_families import RESIZE

SOURCE = (240, 120)
LABELS = "background\nsky\nroad\n"


def picture(profile: Any, scale: int = 1) -> Any:
    """Return the class map of an input whose picture is sky above and road in the right quarter.

    The border of a letterbox is of class 0, which the picture has nowhere.
    """
    width, height = profile.input.width, profile.input.height
    fitted = fit(profile.input, *SOURCE)
    x1, y1, x2, y2 = fitted.to_input((0, 0, 1, 1))
    quarter = fitted.to_input((0.75, 0, 1, 1))[0]
    x, y = (np.arange(size // scale) * scale + scale / 2 for size in (width, height))
    inside = ((y > y1) & (y < y2))[:, None] & ((x > x1) & (x < x2))[None]
    return np.where(inside, np.where(x[None] > quarter, 2, 1), 0).astype(np.uint8)


def logits_of(class_map: Any) -> Any:
    return (np.arange(3)[:, None, None] == class_map).astype(np.float32)[None] * 4 - 2


def profile_of(make_profile: MakeProfile, labels: str = LABELS, **changes: Any) -> Any:
    output = {"kind": "segmentation", **changes.pop("output", {})}
    return make_profile(
        labels, input__shape=[1, 3, 48, 64], output=output, confidenceThreshold=0.01, **changes
    )


@pytest.mark.parametrize("resize", RESIZE)
@pytest.mark.parametrize("scale", [1, 4])
def test_the_border_of_a_letterbox_has_no_share(
    make_profile: MakeProfile, resize: str, scale: int
) -> None:
    profile = profile_of(make_profile, **RESIZE[resize])
    fitted = fit(profile.input, *SOURCE)
    postprocess = Postprocessor(profile)
    found = postprocess.decode([logits_of(picture(profile, scale))])
    chosen = postprocess.choose(found, fitted)
    seen = fitted.to_source((0, 0, 64, 48))
    road = max(0.0, seen[2] - 0.75) / (seen[2] - seen[0])
    assert [one.label for one in chosen] == ["sky", "road"]
    assert [one.score for one in chosen] == pytest.approx([1 - road, road], abs=0.05)
    assert all(one.box is None for one in chosen)
    scores = postprocess.scores(found, fitted)
    assert scores.labels == ("background", "sky", "road")
    assert sum(scores.values) == pytest.approx(1)
    assert scores.sums_to_one


@pytest.mark.parametrize("resize", RESIZE)
def test_the_mask_has_the_size_of_the_picture(make_profile: MakeProfile, resize: str) -> None:
    profile = profile_of(make_profile, **RESIZE[resize])
    fitted = fit(profile.input, *SOURCE)
    postprocess = Postprocessor(profile)
    encode = postprocess.mask_of(postprocess.decode([logits_of(picture(profile))]), fitted)
    assert encode is not None
    mask: Any = cv2.imdecode(np.frombuffer(encode(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (120, 240)
    columns = np.arange(240) / 240
    left, _, right, _ = fitted.to_source((0, 0, 64, 48))
    sure = np.abs(columns - 0.75) > 0.03
    expected = np.where(columns > 0.75, 2, 1)
    expected[(columns < left - 0.01) | (columns > right + 0.01)] = UNKNOWN
    sure &= (np.abs(columns - left) > 0.02) & (np.abs(columns - right) > 0.02)
    assert (mask[:, sure] == expected[sure]).all()


@pytest.mark.parametrize(
    ("form", "output"),
    [
        (lambda ids: logits_of(ids), {}),
        (lambda ids: logits_of(ids).astype(np.float16), {}),
        (lambda ids: (logits_of(ids) * 10).astype(np.int8), {}),
        (lambda ids: logits_of(ids).transpose(0, 2, 3, 1), {"classAxis": 3}),
        (lambda ids: ids[None].astype(np.int64), {}),
        (lambda ids: ids[None, None], {}),
        (lambda ids: ids[None, ..., None].astype(np.int32), {"classAxis": 3}),
    ],
)
def test_scores_and_class_numbers_are_read(
    make_profile: MakeProfile, form: Any, output: dict[str, Any]
) -> None:
    profile = profile_of(make_profile, output=output)
    ids = picture(profile)
    found = Postprocessor(profile).decode([form(ids)])
    np.testing.assert_array_equal(found.class_map, ids)


@pytest.mark.parametrize(("activation", "middle"), [("logits", 0.0), ("probabilities", 0.5)])
def test_one_score_tells_a_class_from_the_background(
    make_profile: MakeProfile, activation: str, middle: float
) -> None:
    profile = profile_of(make_profile, "other\nroad\n", output={"activation": activation})
    scores = np.full((1, 1, 48, 64), middle - 0.2, np.float32)
    scores[..., :16] = middle + 0.2
    postprocess = Postprocessor(profile)
    chosen = postprocess([scores], fit(profile.input, 64, 48))
    assert [(one.label, one.score) for one in chosen] == [("other", 0.75), ("road", 0.25)]


def test_an_auxiliary_map_needs_a_name(make_profile: MakeProfile) -> None:
    maps = [logits_of(np.zeros((48, 64))), logits_of(np.ones((48, 64)))]
    with pytest.raises(ModelError, match="not clear: map 0 or map 1"):
        Postprocessor(profile_of(make_profile)).decode(maps)
    profile = make_profile(
        LABELS, input__shape=[1, 3, 48, 64], output={"preset": "torchvision-segmentation"}
    )
    found = Postprocessor(profile, output_names=("aux", "out")).decode(maps)
    assert found.class_map is not None
    assert np.unique(found.class_map).tolist() == [1]


@pytest.mark.parametrize(
    ("ids", "message"),
    [(7, "returned class 7, its labels have entries 0 to 2"), (300, "classes from 300 to 300"),
     (-1, "classes from -1 to -1")],
)  # fmt: skip
def test_numbers_that_are_no_classes_cost_the_frame(
    make_profile: MakeProfile, ids: int, message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        Postprocessor(profile_of(make_profile)).decode([np.full((1, 48, 64), ids)])


def test_a_map_with_nan_costs_the_frame(make_profile: MakeProfile) -> None:
    scores = logits_of(np.zeros((48, 64)))
    scores[0, 1, 5, 5] = np.nan
    with pytest.raises(OutputError, match="not finite"):
        Postprocessor(profile_of(make_profile)).decode([scores])


def test_a_picture_thinner_than_a_point_of_the_map_still_has_shares(
    make_profile: MakeProfile,
) -> None:
    profile = profile_of(make_profile, input__resize="letterbox")
    chosen = Postprocessor(profile)([logits_of(np.ones((12, 16)))], fit(profile.input, 4000, 1))
    assert [(one.label, one.score) for one in chosen] == [("sky", 1.0)]
