"""``profile`` for models that return a map of the image: classes, one score, or depths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.inference.decoders.exports.objects import Returned

from .models import saved
from .test_profile_proposals import refused, run

pytestmark = pytest.mark.usefixtures("forked")

HEIGHT, WIDTH = 64, 96


def found_in(result: dict[str, Any]) -> list[tuple[str, float]]:
    return [
        (one["prediction"], round(float(one["confidence"]), 2)) for one in result["predictions"]
    ]


def share(classes: int, *, last: bool = False, scale: float = 1.0) -> Any:
    """A map in which class 1 has the left third of the image, and class 0 the rest."""
    scores = np.zeros((1, classes, HEIGHT, WIDTH), np.float32)
    scores[:, 0, :, WIDTH // 3 :] = 1
    scores[:, 1, :, : WIDTH // 3] = 1
    return (np.moveaxis(scores, 1, 3) if last else scores) * scale


@pytest.mark.parametrize("last", [False, True])
def test_the_shape_of_the_image_tells_the_axis_of_the_classes(tmp_path: Path, last: bool) -> None:
    model = saved(Returned([share(5, last=last)], ("map",)), tmp_path / "m.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("no\nant\nbee\ncat\ndog\n")
    done = run(model, "--labels", labels, "--write", tmp_path / "m.json", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["profile"]["output"].get("classAxis", 1) == (3 if last else 1)
    assert found_in(result) == [("no", 0.67), ("ant", 0.33)]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("logits", [False, True])
def test_the_scores_of_one_class_tell_logits(tmp_path: Path, last: bool, logits: bool) -> None:
    one = share(2)[:, 1:]
    one = 8 * one - 4 if logits else one
    one = np.moveaxis(one, 1, 3) if last else one
    done = run(saved(Returned([one], ("map",)), tmp_path / "m.onnx"), "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["profile"]["output"].get("activation") == ("logits" if logits else None)
    assert found_in(result) == [("0", 0.67), ("1", 0.33)]


def test_whole_numbers_of_classes_are_no_logits(tmp_path: Path) -> None:
    classes = 2 * share(2)[:, 1:]
    line = refused(saved(Returned([classes], ("map",)), tmp_path / "m.onnx"))
    assert "its scores go from 0 to 2; if these are numbers of classes, export them as" in line
    done = run(saved(Returned([classes.astype(np.int64)], ("map",)), tmp_path / "n.onnx"), "--json")
    assert found_in(json.loads(done.stdout)) == [("0", 0.67), ("2", 0.33)]


def test_one_score_needs_the_name_of_the_background_too(tmp_path: Path) -> None:
    model = saved(Returned([share(2)[:, 1:]], ("map",)), tmp_path / "m.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("crack\n")
    assert (
        "has 1 lines, but the outputs map [1, 1, 64, 96] have these numbers of classes: 2 as"
        in (refused(model, "--labels", labels))
    )
    labels.write_text("sound\ncrack\n")
    done = run(model, "--labels", labels, "--json")
    assert found_in(json.loads(done.stdout)) == [("sound", 0.67), ("crack", 0.33)]


def test_a_map_of_depths_is_no_list_of_boxes(tmp_path: Path) -> None:
    depths = np.full((1, HEIGHT, WIDTH), 7, np.float32)
    line = refused(saved(Returned([depths], ("depth",)), tmp_path / "m.onnx"))
    assert "no preset reads its outputs depth [1, 64, 96]: " in line


def test_two_maps_are_named_since_one_is_of_training_only(tmp_path: Path) -> None:
    model = saved(Returned([share(5), share(5)], ("main", "auxiliary")), tmp_path / "m.onnx")
    line = refused(model, "--preset", "torchvision-segmentation")
    assert "(which is which is not clear: map 0 or map 1; say it in output.outputs; main, " in line
