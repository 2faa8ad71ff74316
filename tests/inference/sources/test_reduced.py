"""JPEG is decoded at the fraction of its size that the model needs, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.model.profiles.profile import InputSpec, load_profile
from inference.sources import SAMPLE_IMAGES, FileSource, open_source
from inference.vision.geometry import fit, reduction
from inference.vision.images import decode, decode_reduced
from inference.vision.preprocess import Preprocessor

from .pictures import encoded
from .servers import multipart, require_frame, tcp_server

SSD = load_profile("gluoncv-ssd-voc").input  # 512 × 512, stretched
CROPPED = load_profile("efficientnet-lite0-imagenet").input  # the shorter side to 256, then 224
LETTERBOXED = replace(SSD, resize="letterbox")


def photograph(width: int, height: int) -> Any:
    image = cv2.imread(str(SAMPLE_IMAGES / "chelsea.jpg"))
    assert image is not None
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    [
        (SSD, (1023, 1023), 1),
        (SSD, (1024, 1023), 1),
        (SSD, (1024, 1024), 2),
        (SSD, (4096, 2047), 2),
        (SSD, (4096, 2048), 4),
        (SSD, (8192, 8192), 8),
        (SSD, (40, 30), 1),
        (CROPPED, (640, 511), 1),
        (CROPPED, (640, 512), 2),
        (CROPPED, (100_000, 512), 2),
        (LETTERBOXED, (1024, 500), 2),
        (replace(SSD, decode="full"), (8192, 8192), 1),
    ],
)
def test_an_image_is_reduced_as_long_as_it_covers_the_input(
    spec: InputSpec, size: tuple[int, int], expected: int
) -> None:
    assert reduction(spec, *size) == expected
    assert fit(spec, *size) == fit(replace(spec, decode="reduced"), *size)


@pytest.mark.parametrize("orientation", [1, 2, 6])
def test_the_size_is_that_of_the_upright_source(orientation: int) -> None:
    plain = encoded(".jpg", photograph(1301, 1101))
    exif = (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    )
    data = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    found = decode_reduced(data, "x", partial(reduction, SSD))
    turned = orientation == 6
    assert found.size == ((1101, 1301) if turned else (1301, 1101))
    assert found.image.shape == ((651, 551, 3) if turned else (551, 651, 3))


@pytest.mark.parametrize("size", [(2407, 2402), (2402, 2407)])
def test_an_image_that_is_almost_square_keeps_its_sides(size: tuple[int, int]) -> None:
    found = decode_reduced(encoded(".jpg", photograph(*size)), "x", lambda width, height: 8)
    assert found.image.shape == (301, 301, 3)
    assert found.size == size


def test_other_formats_are_decoded_whole() -> None:
    for suffix in (".png", ".bmp", ".webp"):
        found = decode_reduced(
            encoded(suffix, photograph(1200, 1100)), "x", partial(reduction, SSD)
        )
        assert found.image.shape == (1100, 1200, 3)
        assert found.size == (1200, 1100)


@pytest.mark.parametrize("spec", [SSD, CROPPED, LETTERBOXED], ids=["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("size", [(2049, 1537), (9000, 520)])
def test_the_input_and_its_place_in_the_source_are_as_with_a_whole_decode(
    spec: InputSpec, size: tuple[int, int]
) -> None:
    data = encoded(".jpg", photograph(*size))
    tensor, whole = Preprocessor(spec)(decode(data, "x"))
    expected = tensor.copy()
    found = decode_reduced(data, "x", partial(reduction, spec))
    got, placed = Preprocessor(spec)(found.image, found.size)
    assert placed == whole
    span = expected.max() - expected.min()
    assert np.abs(got - expected).mean() < 0.02 * span


def test_a_file_keeps_its_bytes_and_its_size(tmp_path: Path) -> None:
    data = encoded(".jpg", photograph(1300, 1100))
    (tmp_path / "a.jpg").write_bytes(data)
    source = open_source(str(tmp_path), repeat=False, reduction=partial(reduction, SSD))
    frame = require_frame(source)
    assert frame.image.shape == (550, 650, 3)
    assert frame.size == (1300, 1100)
    assert frame.encoded() == data
    plain = require_frame(FileSource(str(tmp_path), repeat=False))
    assert plain.image.shape == (1100, 1300, 3)


@pytest.mark.parametrize("prefix", ["", "snapshot+"])
def test_a_camera_that_sends_jpeg_is_reduced_too(prefix: str) -> None:
    data = encoded(".jpg", photograph(1300, 1100))
    with tcp_server(lambda connection: multipart(connection, [data] * 100)) as port:
        url = f"{prefix}http://127.0.0.1:{port}/"
        source = open_source(url, repeat=True, reduction=partial(reduction, SSD))
        frame = require_frame(source)
        source.close()
    assert (frame.image.shape, frame.size) == ((550, 650, 3), (1300, 1100))
    assert frame.encoded() == data
