"""Each resize rule: exact figures, its inverse, and the pixels that it moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.model.profiles.profile import InputSpec
from inference.vision.geometry import Fit, fit
from inference.vision.preprocess import Preprocessor

RULES = ("stretch", "letterbox", "letterbox top-left", "center-crop")


def spec(resize: str, width: int = 300, height: int = 300, shorter: int | None = None) -> InputSpec:
    rule, _, position = resize.partition(" ")
    return InputSpec(
        name="data",
        shape=(1, 3, height, width),
        layout="NCHW",
        dtype="float32",
        color_order="RGB",
        resize=rule,
        resize_shorter_side=shorter,
        pad_color=(10, 20, 30),
        interpolation="linear",
        scale=1.0,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        letterbox_position=position or "center",
    )


def test_stretch_scales_each_axis_by_itself() -> None:
    fitted = fit(spec("stretch"), 1280, 720)
    assert fitted == Fit((1280, 720), (0, 0), (1280, 720), (300, 300), (0, 0))
    assert fitted.to_source((75, 30, 150, 300)) == (0.25, 0.1, 0.5, 1.0)


def test_letterbox_keeps_the_ratio_and_centres() -> None:
    fitted = fit(spec("letterbox", 400, 400), 800, 400)
    assert (fitted.scaled, fitted.offset) == ((400, 200), (0, 100))
    assert fitted.to_source((100, 150, 300, 250)) == (0.25, 0.25, 0.75, 0.75)


def test_letterbox_of_a_tall_image_has_its_borders_left_and_right() -> None:
    fitted = fit(spec("letterbox", 400, 400), 100, 200)
    assert (fitted.scaled, fitted.offset) == ((200, 400), (100, 0))
    assert fitted.to_source((100, 0, 300, 400)) == (0.0, 0.0, 1.0, 1.0)


def test_letterbox_in_the_top_left_has_its_border_right_or_below() -> None:
    fitted = fit(spec("letterbox top-left", 400, 400), 800, 400)
    assert (fitted.scaled, fitted.offset) == ((400, 200), (0, 0))
    assert fitted.to_source((100, 50, 300, 150)) == (0.25, 0.25, 0.75, 0.75)
    tensor, _ = Preprocessor(spec("letterbox top-left", 400, 400))(
        np.full((100, 200, 3), 200, np.uint8)
    )
    assert (tensor[0, :, :200] == 200).all(), "a small image is scaled up"
    assert tensor[0, :, 200:].reshape(3, -1).min(axis=1).tolist() == [10, 20, 30]
    assert tensor[0, :, 200:].reshape(3, -1).max(axis=1).tolist() == [10, 20, 30]


def test_boxes_in_the_border_are_cut_to_the_image() -> None:
    fitted = fit(spec("letterbox", 400, 400), 800, 400)
    assert fitted.to_source((-5, 0, 200, 500)) == (0.0, 0.0, 0.5, 1.0)


def test_center_crop_without_shorter_side_just_covers_the_input() -> None:
    fitted = fit(spec("center-crop", 224, 224), 640, 480)
    assert (fitted.scaled, fitted.offset) == ((299, 224), (-37, 0))
    left, _, right, _ = fitted.to_source((0, 0, 224, 224))
    assert (left, right) == (37 / 299, (37 + 224) / 299)


def test_center_crop_scales_the_shorter_side_first() -> None:
    fitted = fit(spec("center-crop", 224, 224, shorter=256), 512, 256)
    assert (fitted.scaled, fitted.offset) == ((512, 256), (-144, -16))
    assert fitted.to_source((0, 0, 224, 224)) == (144 / 512, 16 / 256, 368 / 512, 240 / 256)


def test_center_crop_of_a_strip_never_makes_a_huge_image() -> None:
    fitted = fit(spec("center-crop", 224, 224), 1, 100_000)
    assert max(fitted.scaled) <= 224 * 16
    assert fitted.part_at == (0, (100_000 - 16) // 2)


@given(
    rule=st.sampled_from(RULES),
    size=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    target=st.tuples(st.integers(16, 640), st.integers(16, 640)),
    box=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_to_source_undoes_to_input(
    rule: str,
    size: tuple[int, int],
    target: tuple[int, int],
    box: tuple[float, float, float, float],
) -> None:
    fitted = fit(spec(rule, *target), *size)
    back = fitted.to_source(fitted.to_input(box))
    assert back == pytest.approx(box, abs=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(640, 360), (360, 640), (300, 300), (1200, 1000)])
def test_a_mark_in_the_image_lands_where_the_geometry_says(
    rule: str, size: tuple[int, int]
) -> None:
    """A white block on black: its bounding box in the tensor must map back onto the block."""
    width, height = size
    block = (0.4, 0.3, 0.6, 0.7)
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = (round(v * s) for v, s in zip(block, (width, height) * 2))
    image[y0:y1, x0:x1] = 255
    tensor, fitted = Preprocessor(spec(rule))(image)
    rows, columns = np.nonzero(tensor[0, 1] > 127)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    x, y = 1.5 * width / fitted.scaled[0] / width, 1.5 * height / fitted.scaled[1] / height
    for got, wanted, pixel in zip(fitted.to_source(found), block, (x, y, x, y)):
        assert abs(got - wanted) <= pixel
