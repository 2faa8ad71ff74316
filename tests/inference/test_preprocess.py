"""Colour order, normalisation, layout and dtype, against plain NumPy arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from inference.model.profiles.profile import InputSpec, load_profile
from inference.vision.preprocess import Preprocessor

IMAGENET = load_profile("gluoncv-ssd-voc").input
RNG = np.random.default_rng(7)


def photo(width: int = 97, height: int = 61) -> Any:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def normalised(image: Any, spec: InputSpec) -> Any:
    """The definition: (pixel · scale − mean) / std on an image in the profile's colour order."""
    values = image.astype(np.float64) * spec.scale
    return ((values - np.array(spec.mean)) / np.array(spec.std)).astype(np.float32)


def test_stretch_equals_the_arithmetic_of_the_definition() -> None:
    image = photo()
    tensor, _ = Preprocessor(IMAGENET)(image)
    resized = cv2.resize(image, (512, 512), interpolation=cv2.INTER_LINEAR)[:, :, ::-1]
    expected = normalised(resized, IMAGENET).transpose(2, 0, 1)[np.newaxis]
    assert tensor.shape == (1, 3, 512, 512)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor, expected, rtol=0, atol=1e-6)


def test_bgr_keeps_opencv_order() -> None:
    image = np.zeros((512, 512, 3), np.uint8)
    image[:, :, 0] = 255  # blue
    rgb, _ = Preprocessor(IMAGENET)(image)
    bgr, _ = Preprocessor(replace(IMAGENET, color_order="BGR"))(image)
    assert rgb[0, 2].min() > rgb[0, 0].max()
    assert bgr[0, 0].min() > bgr[0, 2].max()


def test_gray_weighs_the_channels_as_rec_601() -> None:
    spec = replace(
        IMAGENET, shape=(1, 1, 512, 512), color_order="GRAY", scale=1.0, mean=(0.0,), std=(1.0,)
    )
    image = np.zeros((512, 512, 3), np.uint8)
    image[:] = (10, 200, 100)
    tensor, _ = Preprocessor(spec)(image)
    assert tensor.shape == (1, 1, 512, 512)
    assert tensor[0, 0, 0, 0] == round(0.114 * 10 + 0.587 * 200 + 0.299 * 100)


def test_nhwc_is_nchw_transposed() -> None:
    image = photo()
    planar, _ = Preprocessor(IMAGENET)(image)
    planar = planar.copy()
    packed, _ = Preprocessor(replace(IMAGENET, layout="NHWC", shape=(1, 512, 512, 3)))(image)
    np.testing.assert_array_equal(packed, planar.transpose(0, 2, 3, 1))


def test_uint8_input_keeps_pixels() -> None:
    spec = replace(IMAGENET, dtype="uint8", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    image = photo(512, 512)
    tensor, _ = Preprocessor(spec)(image)
    assert tensor.dtype == np.uint8
    np.testing.assert_array_equal(tensor[0].transpose(1, 2, 0), image[:, :, ::-1])


def test_letterbox_border_is_the_pad_colour_in_red_green_blue() -> None:
    spec = replace(IMAGENET, resize="letterbox", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    tensor, _ = Preprocessor(replace(spec, pad_color=(10, 20, 30)))(photo(200, 100))
    assert tensor[0, :, 0, 0].tolist() == [10, 20, 30]
    bgr, _ = Preprocessor(replace(spec, pad_color=(10, 20, 30), color_order="BGR"))(photo(200, 100))
    assert bgr[0, :, 0, 0].tolist() == [30, 20, 10]


def test_letterbox_leaves_nothing_of_the_frame_before() -> None:
    spec = replace(IMAGENET, resize="letterbox", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    preprocess = Preprocessor(spec)
    preprocess(np.full((400, 200, 3), 255, np.uint8))
    tensor, fitted = preprocess(np.zeros((200, 400, 3), np.uint8))
    top = tensor[0, :, : fitted.offset[1]]
    assert (top == 114).all()


def test_the_tensor_is_the_same_memory_each_time() -> None:
    preprocess = Preprocessor(IMAGENET)
    first, _ = preprocess(photo())
    second, _ = preprocess(photo())
    assert first is second


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (513, 511)])
@pytest.mark.parametrize("rule", ["stretch", "letterbox", "center-crop"])
def test_odd_sizes_work(rule: str, size: tuple[int, int]) -> None:
    tensor, _ = Preprocessor(replace(IMAGENET, resize=rule))(photo(*size))
    assert np.isfinite(tensor).all()
