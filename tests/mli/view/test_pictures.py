"""What of a sample's content is shown: images of the forms that cores upload, reduced."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from inference.vision.images import decode
from mli.view.pictures import MOST_PIXELS, PictureError, reduced, size_of


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "I;16"])
def test_a_picture_is_upright(form: str, mode: str) -> None:
    image = Image.new("L" if mode == "I;16" else "RGB", (90, 60), "white").convert(mode)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    try:
        content = encoded(image, form, exif=exif)
    except (OSError, ValueError):
        pytest.skip("this form has no such mode")
    assert size_of(io.BytesIO(content)) == (60, 90)
    with Image.open(io.BytesIO(reduced(content, 30))) as shown:
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (20, 30))
        assert ExifTags.Base.Orientation not in shown.getexif()


GREY = np.tile(np.linspace(0, 1, 64), (48, 1))
COLOURS = np.dstack([GREY, GREY[:, ::-1], np.full_like(GREY, 0.5)])
CLEAR_LEFT = np.dstack([COLOURS, GREY > 0.5])


@pytest.mark.parametrize("most", [4095, 65535])
@pytest.mark.parametrize("image", [GREY, COLOURS], ids=["grey", "colours"])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_as_bright_as_on_the_core(suffix: str, image: Any, most: int) -> None:
    looks_as_on_the_core(cv2.imencode(suffix, (image * most).astype(np.uint16))[1].tobytes())


@pytest.mark.parametrize("most", [4095, 65535])
def test_a_pgm_is_as_bright_as_on_the_core(most: int) -> None:
    looks_as_on_the_core(b"P5 64 48 %d\n" % most + (GREY * most).astype(">u2").tobytes())


@pytest.mark.parametrize(
    ("suffix", "most"), [(".webp", 255), (".png", 255), (".png", 4095), (".png", 65535)]
)
def test_what_is_transparent_is_white_as_on_the_core(suffix: str, most: int) -> None:
    bits: Any = np.uint8 if most == 255 else np.uint16
    image: Any = (CLEAR_LEFT * ([most] * 3 + [np.iinfo(bits).max])).astype(bits)
    looks_as_on_the_core(cv2.imencode(suffix, image)[1].tobytes())


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_a_transparent_grey_or_palette_is_white(mode: str) -> None:
    rgba = Image.fromarray((CLEAR_LEFT * 255).astype(np.uint8))
    image = rgba.convert("LA") if mode == "LA" else rgba.quantize(64)
    looks_as_on_the_core(encoded(image, "PNG"))


def looks_as_on_the_core(content: bytes) -> None:
    with Image.open(io.BytesIO(reduced(content, 64))) as image:
        shown = np.asarray(image).astype(int)
    expected = decode(content, "sample")[:, :, ::-1]
    assert abs(shown - expected).mean() < 6
    assert expected.std() > 50


@pytest.mark.parametrize("form", ["BMP", "PPM"])
def test_forms_without_a_turn_are_shown(form: str) -> None:
    with Image.open(io.BytesIO(reduced(encoded(Image.new("RGB", (9, 6)), form), 30))) as shown:
        assert shown.size == (9, 6)


@pytest.mark.parametrize("form", ["EPS", "GIF", "DDS", "ICO"])
def test_forms_that_no_core_uploads_are_not_even_tried(form: str) -> None:
    """Pillow has Ghostscript run a PostScript file, which is a program."""
    content = encoded(Image.new("RGB", (32, 32)), form)
    with pytest.raises(PictureError, match="none of JPEG, PNG"):
        reduced(content, 30)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_small_file_of_a_huge_image_is_not_decoded(form: str) -> None:
    side = int(MOST_PIXELS**0.5) + 100
    options = {"compression": "tiff_deflate"} if form == "TIFF" else {}
    content = encoded(Image.new("L", (side, side)), form, **options)
    with pytest.raises(PictureError, match=f"{side} x {side} pixels; at most 64,000,000"):
        reduced(content, 30)


def test_a_large_jpeg_is_decoded_at_a_fraction() -> None:
    side = int(MOST_PIXELS**0.5) + 100
    with Image.open(
        io.BytesIO(reduced(encoded(Image.new("L", (side, side)), "JPEG"), 30))
    ) as shown:
        assert shown.size == (30, 30)


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, MemoryError, IndexError])
def test_whatever_a_decoder_raises_is_no_image(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("corrupt")

    monkeypatch.setattr(Image.Image, "thumbnail", fail)
    with pytest.raises(PictureError, match="it is not an image: corrupt"):
        reduced(encoded(Image.new("RGB", (9, 6)), "PNG"), 30)
