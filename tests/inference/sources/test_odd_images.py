"""Transparency, depth and orientation: what a person's viewer shows is what the model gets."""

from __future__ import annotations

import re
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from inference.errors import FrameError
from inference.vision.images import decode

from .pictures import GRADIENT, encoded

CORNER = np.zeros((32, 48, 3), np.uint8)
CORNER[:16, :24] = (40, 200, 90)
CORNER[:16, 24:] = 255
GREY = np.tile(np.arange(0, 256, 4, dtype=np.uint16), (8, 1))

TURNS: dict[int, Callable[[Any], Any]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}


def exif(orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", 274, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def webp_with_exif(image: Any, orientation: int) -> bytes:
    ok, plain = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert ok
    height, width = image.shape[:2]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    data = exif(orientation)
    chunks: bytes = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size + plain.tobytes()[12:]
    chunks += b"EXIF" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


@pytest.mark.parametrize("orientation", TURNS)
def test_the_orientation_of_a_webp_photograph_is_applied(orientation: int) -> None:
    image = decode(webp_with_exif(CORNER, orientation), "x")
    np.testing.assert_array_equal(image, TURNS[orientation](CORNER))


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("transparent", [False, True])
def test_the_orientation_of_a_png_is_applied(orientation: int, transparent: bool) -> None:
    opaque = np.full(CORNER.shape[:2], 255, np.uint8)
    plain = encoded(".png", np.dstack([CORNER, opaque]) if transparent else CORNER)
    chunk = b"eXIf" + exif(orientation)
    check = zlib.crc32(chunk).to_bytes(4, "big")
    data = plain[:33] + struct.pack(">I", len(chunk) - 4) + chunk + check + plain[33:]
    np.testing.assert_array_equal(decode(data, "x"), TURNS[orientation](CORNER))


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG of CORNER's size and colours, with these segments of applications."""
    plain = encoded(".jpg", CORNER)
    written = (b"\xff\xe1" + struct.pack(">H", len(one) + 2) + one for one in segments)
    return plain[:2] + b"".join(written) + plain[2:]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("before", [[], [b"http://ns.adobe.com/xap/1.0/\0<x/>"], [b"a", b"b"]])
def test_the_orientation_of_a_jpeg_is_applied_wherever_it_is(
    orientation: int, before: list[bytes]
) -> None:
    data = jpeg_with(*before, b"Exif\0\0" + exif(orientation), b"Exif\0\0" + exif(3))
    upright = decode(jpeg_with(), "x")
    for filled in (data, data[:2] + b"\xff\xff" + data[2:]):
        np.testing.assert_array_equal(decode(filled, "x"), TURNS[orientation](upright))


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\x01", b"\xff\xe1\0\0", b"\xff\0", b"\0"])
def test_a_jpeg_of_markers_alone_is_refused_quickly(filling: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(FrameError, match=r"^x: is "):
        decode(b"\xff\xd8" + filling * 4_000_000, "x")
    assert time.monotonic() - started < 1


def transparent(extension: str, depth: type, alpha: int) -> bytes:
    scale = 257 if depth is np.uint16 else 1
    image: Any = (
        np.dstack([CORNER, np.full(CORNER.shape[:2], alpha, np.uint8)]).astype(depth) * scale
    )
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
    ok, data = cv2.imencode(extension, image, options)
    assert ok
    return bytes(data.tobytes())


def tiff_with_alpha(image: Any, kind: int, *, big: bool = False, order: str = "<") -> bytes:
    """A TIFF of red, green, blue and alpha, whose ExtraSamples is ``kind``; or a BigTIFF."""
    height, width = image.shape[:2]
    pixels: bytes = image.astype(image.dtype.newbyteorder(order)).tobytes()
    short, long, offset = 3, 4, "Q" if big else "I"
    size, first = struct.calcsize(f"<{offset}"), 16 if big else 8
    depths = struct.pack(f"{order}4H", *[8 * image.itemsize] * 4)
    end = first + len(pixels)
    values = {
        256: (long, width), 257: (long, height), 259: (short, 1), 262: (short, 2),
        273: (long, first), 277: (short, 4), 278: (long, height), 279: (long, len(pixels)),
        338: (short, kind),
    }  # fmt: skip
    entries = {
        tag: struct.pack(f"{order}HH{offset}", tag, type_, 1)
        + struct.pack(order + ("H" if type_ == short else "I"), value).ljust(size, b"\0")
        for tag, (type_, value) in values.items()
    }
    place = depths if big else struct.pack(f"{order}I", end)
    entries[258] = struct.pack(f"{order}HH{offset}", 258, short, 4) + place
    directory = struct.pack(order + ("Q" if big else "H"), len(entries))
    directory += b"".join(entries[tag] for tag in sorted(entries)) + bytes(size)
    head = b"II" if order == "<" else b"MM"
    if big:
        head += struct.pack(f"{order}HHHQ", 43, 8, 0, end + len(depths))
    else:
        head += struct.pack(f"{order}HI", 42, end + len(depths))
    return head + pixels + depths + directory


@pytest.mark.parametrize(
    ("extension", "depth"),
    [(".png", np.uint8), (".png", np.uint16), (".webp", np.uint8), (".tiff", np.uint8)],
)
def test_a_transparent_image_is_seen_before_white(extension: str, depth: type) -> None:
    np.testing.assert_array_equal(
        decode(transparent(extension, depth, 0), "x"), np.full_like(CORNER, 255)
    )
    np.testing.assert_array_equal(decode(transparent(extension, depth, 255), "x"), CORNER)
    half = decode(transparent(extension, depth, 128), "x").astype(int)
    assert np.abs(half - (CORNER.astype(int) * 128 + 255 * 127) // 255).max() <= 2


ALPHA = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (32, 1))[:, :, None]


def with_alpha(kind: int, depth: type) -> Any:
    """Red, green, blue and a growing alpha, which the colours of ``kind`` 1 contain already."""
    colours = CORNER * (ALPHA / 255.0) if kind == 1 else CORNER
    image: Any = np.dstack([colours[:, :, ::-1].round(), ALPHA]).astype(depth)
    return image * 257 if depth is np.uint16 else image


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_tiff_with_alpha_is_seen_before_white(
    kind: int, big: bool, order: str, depth: type
) -> None:
    """Most programs name the alpha: 2 is beside colours, 1 is one that they contain already."""
    data = tiff_with_alpha(with_alpha(kind, depth), kind, big=big, order=order)
    seen = decode(data, "x").astype(int)
    assert np.abs(seen - (CORNER * (ALPHA / 255.0) + 255 - ALPHA)).max() <= 2


def test_a_big_tiff_of_12_bits_has_its_full_brightness() -> None:
    image = np.full((8, 8, 4), 4095, np.uint16)
    assert decode(tiff_with_alpha(image, 0, big=True), "x").min() == 255


@pytest.mark.parametrize("beginning", [b"II+\0", b"MM\0+"])
def test_a_damaged_big_tiff_is_refused_quickly(beginning: bytes) -> None:
    """Its directory is where no file ends, or has entries without end."""
    for place in (bytes(8), b"\xff" * 8, struct.pack(">Q", 16), struct.pack("<Q", 16)):
        data = beginning + bytes(4) + place + b"\xff" * 8 + b"\0\3" * 1_000_000
        started = time.monotonic()
        with pytest.raises(FrameError, match=r"^x: is "):
            decode(data, "x")
        assert time.monotonic() - started < 1


def test_a_palette_with_a_transparent_colour_is_seen_before_white() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)
    chunks = [
        header, b"PLTE" + bytes([10, 20, 30, 40, 50, 60]), b"tRNS\x00",
        b"IDAT" + zlib.compress(b"\0\0\1"), b"IEND",
    ]  # fmt: skip
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in chunks:
        data += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert decode(data, "x").tolist() == [[[255, 255, 255], [60, 50, 40]]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_seen_before_white(bits: int) -> None:
    """As programs that make PNG files smaller write the background of a cut-out."""
    values = [0, 1, 0, 1] if bits == 1 else [0, 3, 1, 2]
    row = sum(value << bits * at for at, value in enumerate(reversed(values))) << -4 * bits % 8
    header = b"IHDR" + struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    pixels = bytes(1) + row.to_bytes((4 * bits + 7) // 8, "big")
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (header, b"tRNS" + bytes(2), b"IDAT" + zlib.compress(pixels), b"IEND"):
        data += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    white = 4095 if bits == 16 else (1 << bits) - 1
    seen = [255 if value == 0 else (value * 255 + white // 2) // white for value in values]
    assert decode(data, "x")[0].tolist() == [[one] * 3 for one in seen]
    with pytest.raises(FrameError, match=r"^x: "):  # of no bits at all
        decode(data[:24] + bytes(1) + data[25:], "x")


@pytest.mark.parametrize("maximum", [1, 15, 100, 255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5", "P3", "P6"])
def test_a_pgm_is_as_bright_as_its_maximum_says(kind: str, maximum: int) -> None:
    channels = 3 if kind in ("P3", "P6") else 1
    values = np.repeat(np.array([0, maximum // 2, maximum]), channels)
    data = f"{kind}\n# camera 7\n3 1\n{maximum}\n".encode()
    if kind in ("P2", "P3"):
        data += " ".join(map(str, values)).encode() + b"\n"
    else:
        data += values.astype(">u2" if maximum > 255 else "u1").tobytes()
    seen = decode(data, "x")[0].mean(1)
    assert np.abs(seen - [0, maximum // 2 * 255 / maximum, 255]).max() <= 1


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_twelve_bits_in_sixteen_are_as_bright_as_twelve(extension: str) -> None:
    seen = decode(encoded(extension, GREY * 16), "x")
    assert np.abs(seen[:, :, 0].astype(int) - GREY).max() <= 1
    np.testing.assert_array_equal(decode(encoded(extension, GREY * 257), "x")[:, :, 0], GREY)


@pytest.mark.parametrize("image", [GRADIENT, GRADIENT[:, :, 0]])
def test_a_tiff_of_floating_point_numbers_is_named(image: Any) -> None:
    data = encoded(".tiff", image.astype(np.float32) / 255)
    with pytest.raises(FrameError, match=r"^x: is a TIFF of floating-point numbers; use"):
        decode(data, "x")


@pytest.mark.parametrize(("number", "name"), [(50000, "zstd"), (34925, "LZMA"), (12345, "12345")])
def test_a_tiff_whose_compression_is_not_read_is_named(number: int, name: str) -> None:
    with pytest.raises(FrameError, match=f"^x: is a TIFF with .*{name}.* compression"):
        decode(with_tag(encoded(".tiff"), 259, number), "x")


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """A TIFF in which a tag with one 16-bit value, or as many equal ones, has another."""
    (at,) = (found.start() for found in re.finditer(struct.pack("<HH", tag, 3), data))
    count, offset = map(int, struct.unpack_from("<2I", data, at + 4))
    place = at + 8 if count < 3 else offset
    return data[:place] + struct.pack("<H", value) * count + data[place + 2 * count :]


@pytest.mark.parametrize(
    ("depth", "tag", "value", "what"),
    [
        (np.uint16, 284, 2, "16 bits with a plane for each colour"),
        (np.uint16, 262, 0, "16 bits that is neither RGB nor grey with a black 0"),
        (np.uint16, 262, 8, "16 bits that is neither RGB nor grey with a black 0"),
        (np.uint16, 339, 2, "signed numbers"),
        (np.uint8, 339, 2, "signed numbers"),
    ],
)
def test_a_tiff_that_opencv_decodes_wrongly_is_named(
    depth: type, tag: int, value: int, what: str
) -> None:
    data = encoded(".tiff", CORNER.astype(depth))
    with pytest.raises(FrameError, match=f"^x: is a TIFF of {what}; use"):
        decode(with_tag(data, tag, value), "x")


@pytest.mark.parametrize("kind", [1, 2])
def test_a_grey_tiff_with_transparency_is_named(kind: int) -> None:
    """OpenCV ignores the opacity, so the background would be what is hidden."""
    data = tiff_with_alpha(with_alpha(kind, np.uint8), kind)
    with pytest.raises(FrameError, match=r"^x: is a grey TIFF with transparency; use"):
        decode(with_tag(with_tag(data, 277, 2), 262, 1), "x")


def test_a_jpeg_of_twelve_bits_and_a_lossless_one_are_named() -> None:
    data = encoded(".jpg")
    at = data.index(b"\xff\xc0")
    with pytest.raises(FrameError, match=r"^x: is a JPEG of 12 bits; use"):
        decode(data[: at + 4] + b"\x0c" + data[at + 5 :], "x")
    with pytest.raises(FrameError, match=r"^x: is a lossless JPEG; use"):
        decode(data[: at + 1] + b"\xc3" + data[at + 2 :], "x")


@pytest.mark.parametrize("extension", [".png", ".webp", ".tiff", ".jpg", ".ppm"])
def test_headers_cut_or_changed_anywhere_are_refused_or_read(extension: str) -> None:
    """No damage of the first bytes is a traceback."""
    has_alpha = extension in (".png", ".webp", ".tiff")
    data = encoded(extension, np.dstack([CORNER, CORNER[:, :, :1]]) if has_alpha else CORNER)
    for at in range(min(len(data), 300)):
        for damaged in (data[:at], data[:at] + b"\xff" + data[at + 1 :]):
            try:
                decode(damaged, "x")
            except FrameError as error:
                assert str(error).startswith("x: ")


def test_a_png_that_claims_more_than_there_is_costs_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenCV would take the length at its word: 4 GB, and two seconds to fill them."""
    data = encoded(".png")
    at = data.index(b"IDAT") - 4
    monkeypatch.setattr(cv2, "imdecode", lambda *given: pytest.fail("OpenCV is given it"))
    with pytest.raises(FrameError, match=r"^x: is not an image, or is damaged or truncated \("):
        decode(data[:at] + b"\xff" + data[at + 1 :], "x")


def test_what_follows_the_end_of_a_png_does_not_matter() -> None:
    data = encoded(".png")
    np.testing.assert_array_equal(decode(data + b"\xff" * 20, "x"), decode(data, "x"))
