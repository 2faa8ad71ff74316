"""What an image's first bytes say about it that OpenCV ignores, or does not report."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Iterator

from .orientation import TIFF_BEGINNINGS, UPRIGHT, Orientation, of_exif, tiff_tags

_FORMATS = {
    "GIF": rb"GIF8",
    "HEIC": rb".{4}ftyp(hei|hev|mif|msf)",
    "AVIF": rb".{4}ftypavi",
    "JPEG XL": rb"\xff\x0a|.{4}JXL ",
    "JPEG 2000": rb"\xff\x4f\xff\x51|.{4}jP  ",
    "PDF": rb"%PDF",
    "a floating-point image (PFM)": rb"P[fF]\s",
    "a web page or other text": rb"\s*[<{]",
}
"""First bytes of files that are given as images, but are not read."""

_BMP_OR_PNM = rb"BM|P[1-6]\s"

_PNM = rb"P([2356])(?:\s|#[^\n]*\n)+(?:\d+(?:\s|#[^\n]*\n)+){2}(\d{1,5})\s"
_PNG_GREY, _PNG_ALPHA = b"\0", (4, 6)
_PNG_GREY_STEPS = {1: 255, 2: 85, 4: 17}
# As the decoder does it: anything may stand before a marker, and others than these have a length.
_MARKER = re.compile(rb"\xff([^\0\xff])")
_ALONE = [bytes([marker]) for marker in (0x01, *range(0xD0, 0xD8))]
_ENDS = (b"\xd8", b"\xd9", b"\xda")
_EXIF = b"Exif\0\0"
_MOST_SEGMENTS = 1000
_COMPRESSIONS_READ = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)
_COMPRESSIONS = {34925: "LZMA", 50000: "zstd", 50001: "WebP", 34712: "JPEG 2000"}
_BITS, _COMPRESSION, _COLOURS, _SAMPLES, _SAMPLE_FORMAT = 258, 259, 262, 277, 339
_PLANES, _SEPARATE = 284, 2
_EXTRA_SAMPLES, _IN_COLOURS, _BESIDE_COLOURS = 338, 1, 2
_GREY, _RGB, _LOGARITHMIC = 1, 2, (32844, 32845)
_SIGNED, _FLOATING_POINT = 2, 3


@dataclass(frozen=True)
class ImageHeader:
    """``as_stored``: it has transparency or another depth, so it must be decoded unchanged.

    ``premultiplied``: its colours come out multiplied with their opacity. ``transparent`` is the
    decoded grey that stands for transparency. ``maximum`` is the value of white if the format
    states it. ``orientation`` is upright for TIFF, which OpenCV turns itself. ``refused`` names a
    format that OpenCV decodes wrongly, ``kind`` one that it may not decode. ``rejected``: OpenCV
    must not get it, since it says that it is longer than it is, or is none of the formats that are
    read: a damaged file in one of OpenCV's others, such as JPEG 2000, can end the process.
    ``size`` is width and height of a JPEG file before it is turned.
    """

    as_stored: bool = False
    premultiplied: bool = False
    transparent: int | None = None
    maximum: int | None = None
    orientation: Orientation = UPRIGHT
    refused: str = ""
    kind: str = ""
    rejected: bool = False
    size: tuple[int, int] | None = None


def read_header(data: bytes) -> ImageHeader:
    """Return what ``data`` says about itself; damaged data says little."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(TIFF_BEGINNINGS):
        return _tiff(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    match = re.match(_PNM, data[:4096])
    if match:
        maximum = int(match[2])
        is_scaled = maximum in (255, 65535) or (match[1] in b"23" and maximum < 255)
        return ImageHeader(as_stored=not is_scaled, maximum=maximum)
    if re.match(_BMP_OR_PNM, data[:4]):
        return ImageHeader()
    kinds = (kind for kind, beginning in _FORMATS.items() if re.match(beginning, data[:64], re.S))
    return ImageHeader(kind=next(kinds, ""), rejected=True)


def _png(data: bytes) -> ImageHeader:
    """https://www.w3.org/TR/png-3/#11IHDR."""
    bits, colour = data[24:25], data[25:26]
    as_stored = bits == b"\x10" or (bool(colour) and colour[0] in _PNG_ALPHA)
    exif, transparent = b"", None
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length > len(data) - at - 8:  # OpenCV would allocate it: up to 4 GB
            return ImageHeader(rejected=True)
        if kind == b"tRNS":
            as_stored = True
            if colour == _PNG_GREY and length == 2:  # OpenCV reads that of other kinds
                value = int.from_bytes(data[at + 8 : at + 10], "big")
                transparent = value * _PNG_GREY_STEPS.get(bits[0], 1)
        if kind == b"eXIf":
            exif = data[at + 8 : at + 8 + length]
        if kind == b"IEND":
            break
        at += length + 12
    return ImageHeader(as_stored, transparent=transparent, orientation=of_exif(exif))


def _webp(data: bytes) -> ImageHeader:
    """https://developers.google.com/speed/webp/docs/riff_container."""
    has_alpha, exif = False, b""
    for kind, content in _riff_chunks(data):
        if kind == b"VP8X":
            has_alpha = bool(content[:1]) and bool(content[0] & 0x10)
        elif kind == b"VP8L" and len(content) >= 5:
            has_alpha = has_alpha or bool(content[4] & 0x10)
        elif kind == b"EXIF":
            exif = content
    return ImageHeader(has_alpha, orientation=of_exif(exif))


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _tiff(data: bytes) -> ImageHeader:
    """TIFF 6.0, BigTIFF. What OpenCV does not support, it reads as something else, or as black."""
    tags = tiff_tags(data)
    bits = max(tags.get(_BITS, (1,)))
    compression = tags.get(_COMPRESSION, (1,))[0]
    colours = tags.get(_COLOURS, (_RGB,))[0]
    numbers, samples = tags.get(_SAMPLE_FORMAT, (1,))[0], tags.get(_SAMPLES, (1,))[0]
    if numbers == _FLOATING_POINT or colours in _LOGARITHMIC:
        return ImageHeader(refused="a TIFF of floating-point numbers")
    if numbers == _SIGNED:
        return ImageHeader(refused="a TIFF of signed numbers")
    if compression not in _COMPRESSIONS_READ:
        name = _COMPRESSIONS.get(compression, f"unknown ({compression})")
        return ImageHeader(refused=f"a TIFF with {name} compression")
    if bits not in (1, 2, 4, 8, 16):
        return ImageHeader(refused=f"a TIFF of {bits} bits")
    if bits == 16 and colours not in (_GREY, _RGB):
        return ImageHeader(refused="a TIFF of 16 bits that is neither RGB nor grey with a black 0")
    if bits == 16 and samples > 1 and tags.get(_PLANES, (1,))[0] == _SEPARATE:
        return ImageHeader(refused="a TIFF of 16 bits with a plane for each colour")
    has_alpha = colours == _RGB and samples == 4
    kind = "a damaged TIFF, or one in a variant that cannot be read" if tags else ""
    alpha = tags.get(_EXTRA_SAMPLES, (0,))[0]
    if samples == 2 and alpha in (_IN_COLOURS, _BESIDE_COLOURS):
        return ImageHeader(refused="a grey TIFF with transparency")
    # For 8 bits, libtiff multiplies colours that are not multiplied yet, if the alpha is named.
    is_multiplied = alpha == _IN_COLOURS or (alpha == _BESIDE_COLOURS and bits == 8)
    return ImageHeader(
        as_stored=bits == 16 or has_alpha, premultiplied=has_alpha and is_multiplied, kind=kind
    )


def _jpeg(data: bytes) -> ImageHeader:
    """ITU-T T.81, table B.1 and B.2.2; EXIF 2.32, 4.5.4: of several EXIF segments, the first."""
    kind, size, exif, at = "", None, b"", 2
    for _ in range(_MOST_SEGMENTS):
        match = _MARKER.search(data, at)
        if match is None or match[1] in _ENDS:
            break
        at, marker = match.end(), match[1][0]
        if match[1] in _ALONE:
            continue
        if marker in (0xC3, 0xC7, 0xCB, 0xCF):
            kind = "a lossless JPEG"
        elif 0xC0 <= marker <= 0xCE and marker not in (0xC4, 0xC8, 0xCC) and at + 7 <= len(data):
            bits, height, width = struct.unpack_from(">BHH", data, at + 2)
            kind, size = "" if bits == 8 else f"a JPEG of {bits} bits", (width, height)
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == 0xE1 and not exif and data.startswith(_EXIF, at + 2):
            exif = data[at + 2 : at + length]
        at += length
    return ImageHeader(kind=kind, size=size, orientation=of_exif(exif))
