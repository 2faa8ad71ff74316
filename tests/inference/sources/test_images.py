"""Images of every kind that users have, good and bad."""

from __future__ import annotations

import base64
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_functions import CODE_FOLDER
from inference.errors import FrameError
from inference.vision.images import decode

from .pictures import GRADIENT, encoded

RED_IN_CMYK = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhcTkBEV0U3OFBtUVdf"
    "YmdoZz5NcXlwZHhcZWdj/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAAH/8QAFBABAAAAAAAA"
    "AAAAAAAAAAAAAP/aAA4EQwBNAFkASwAAPwCgJ+n6gAD/2Q=="
)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"])
def test_common_formats_are_read(extension: str) -> None:
    image = decode(encoded(extension), "x")
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - GRADIENT).max() < 8


def test_grey_gets_three_channels() -> None:
    image = decode(encoded(".png", GRADIENT[:, :, 0]), "x")
    np.testing.assert_array_equal(image, GRADIENT)


def test_sixteen_bits_become_eight() -> None:
    image = decode(encoded(".png", GRADIENT.astype(np.uint16) * 257), "x")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, GRADIENT)


def test_one_pixel_is_an_image() -> None:
    assert decode(encoded(".png", GRADIENT[:1, :1]), "x").shape == (1, 1, 3)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_truncated_data_is_refused_by_name(extension: str, part: float) -> None:
    image = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    data = encoded(extension, image)
    with pytest.raises(FrameError, match=r"^camera7: is not an image, or is damaged or truncated"):
        decode(data[: int(len(data) * part)], "camera7")


@pytest.mark.parametrize("data", [b"", b"hello, I am a text", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError, match=r"^x: "):
        decode(data, "x")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avif", "AVIF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xff\x0a\xfa\x7f\x9c", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
        (b"GIF89a\1\0\1\0", "GIF"),
        (b"\r\n<html><body>Log in</body></html>", "a web page or other text"),
        (b'{"error": "not authorised"}', "a web page or other text"),
    ],
)
def test_what_stands_in_the_place_of_an_image_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(FrameError, match=f"^x: is {kind}; use JPEG, PNG, WebP, TIFF or BMP"):
        decode(data + bytes(100), "x")


@pytest.mark.parametrize("extension", [".jp2", ".hdr", ".ras", ".pam", ".pfm"])
def test_only_the_formats_that_are_read_are_given_to_opencv(
    monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    """It reads more, but a damaged JPEG 2000 ends the process."""
    image = GRADIENT.astype(np.float32) if extension in (".hdr", ".pfm") else GRADIENT
    data = encoded(extension, image)
    monkeypatch.setattr(cv2, "imdecode", lambda *given: pytest.fail("OpenCV is given it"))
    with pytest.raises(FrameError, match=r"^x: is "):
        decode(data, "x")


def test_cmyk_becomes_blue_green_red() -> None:
    red = base64.b64decode(RED_IN_CMYK)
    assert np.abs(decode(red, "x").reshape(-1, 3).mean(0) - (0, 0, 255)).max() < 12


@pytest.mark.parametrize(("orientation", "shape"), [(1, (48, 64, 3)), (6, (64, 48, 3))])
def test_the_orientation_of_a_photograph_is_applied(
    orientation: int, shape: tuple[int, int, int]
) -> None:
    tag = b"\x01\x12\x00\x03\0\0\0\x01\x00" + bytes([orientation]) + b"\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + tag + b"\0\0\0\0"
    plain = encoded(".jpg")
    data = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    image = decode(data, "x")
    assert image.shape == shape
    if orientation == 6:  # a quarter to the right: what grew to the right now grows downward
        assert image[0].mean() < image[-1].mean() - 40


def test_a_small_file_that_unpacks_into_the_memory_is_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + check

    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(9000 * 3 + 1)) for _ in range(9000)]
    head = (9000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    parts = ((b"IHDR", head), (b"IDAT", b"".join(rows) + packer.flush()), (b"IEND", b""))
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)
    assert len(bomb) < 2 << 20
    (tmp_path / "bomb.png").write_bytes(bomb)
    # In a process of its own, since OpenCV reads the limit once; by the way the component goes.
    code = (
        "import sys, inference.vision.preprocess; from inference.sources import FileSource; "
        "FileSource(sys.argv[1], repeat=False).read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, cwd=CODE_FOLDER, capture_output=True, text=True, check=False)
    assert "bomb.png: cannot be decoded: it has more than 67108864 pixels" in ran.stderr


def test_an_image_that_would_fill_the_memory_is_refused() -> None:
    header = b"P6 40000 40000 255\n" + bytes(64)
    with pytest.raises(FrameError, match=r"^bomb: "):
        decode(header, "bomb")
