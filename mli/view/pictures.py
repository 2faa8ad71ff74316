"""The pictures of samples: fetched from S3 once, checked, reduced, and encoded again."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from ..errors import MliError
from .drawing import jpeg

MOST_BYTES = 32 * 2**20
LONGEST_SIDE, SMALL_SIDE = 1280, 240
MOST_PIXELS = 64_000_000
"""A JPEG is decoded at a fraction of its size. Of other forms a small file may have any size."""
_KEPT = 40
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")
"""What cores upload. Pillow reads more, of which PostScript is a program that Ghostscript runs."""
_SIDEWAYS = (5, 6, 7, 8)
_decoding = threading.Lock()
"""One at a time, or many large pictures at once would fill the memory."""

Fetch = Callable[[str], tuple[bytes, Mapping[str, str]]]
"""Returns the object at an s3:// URI, and its metadata."""

Describe = Callable[[str, Mapping[str, str]], None]
"""Takes the metadata of the object at a URI."""


class PictureError(MliError):
    """A picture cannot be shown; its text says why."""


class Pictures:
    """Reduced pictures by URI and size, the last ones kept in memory.

    What a bucket holds may come from anyone who can write to it: only what decodes as an image goes
    on, as a JPEG of our own.
    """

    def __init__(self, fetch: Fetch, describe: Describe = lambda uri, metadata: None) -> None:
        """``describe`` is called with the metadata of each object, from any thread."""
        self._fetch = fetch
        self._describe = describe
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def get(self, uri: str, side: int) -> bytes:
        """Return a JPEG whose longer side is at most ``side``.

        Raises:
            PictureError: if it cannot be fetched or decoded.
        """
        with self._lock:
            known = self._kept.get((uri, side))
            if known is not None:
                return known
        made = reduced(self._content(uri), side)
        with self._lock:
            self._kept[(uri, side)] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    def size(self, uri: str) -> tuple[int, int]:
        """Return width and height of a picture as it is shown.

        Raises:
            PictureError: if it cannot be fetched or decoded.
        """
        content = self._content(uri)
        try:
            return size_of(io.BytesIO(content))
        except PictureError as error:
            raise PictureError(f"{uri}: {error}") from error

    def _content(self, uri: str) -> bytes:
        try:
            content, metadata = self._fetch(uri)
        except Exception as error:  # boto3's exceptions have no common root with sockets'
            raise PictureError(f"{uri}: {error}") from error
        self._describe(uri, metadata)
        return content


def s3_fetch(client: Any) -> Fetch:
    """Return a function that reads objects with a client of S3."""

    def fetch(uri: str) -> tuple[bytes, Mapping[str, str]]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        found = client.get_object(Bucket=bucket, Key=key)
        content: bytes = found["Body"].read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise PictureError(f"it is larger than {MOST_BYTES // 2**20} MiB")
        return content, found.get("Metadata") or {}

    return fetch


def reduced(content: bytes, side: int) -> bytes:
    """Return a picture as a JPEG of our own, whose longer side is at most ``side``.

    Raises:
        PictureError: if it cannot be decoded.
    """
    with _opened(io.BytesIO(content)) as image:
        image.draft("RGB", (side, side))
        if image.width * image.height > MOST_PIXELS:
            size = f"{image.width} x {image.height}"
            raise PictureError(f"it has {size} pixels; at most {MOST_PIXELS:,} are shown")
        with _decoding:
            small = _eight_bits(image)
            small.thumbnail((side, side))
            small = _opaque(small)
        small.getexif()[ExifTags.Base.Orientation] = _orientation(image)
        return jpeg(ImageOps.exif_transpose(small))


def size_of(file: Path | BinaryIO) -> tuple[int, int]:
    """Return width and height of an image as it is shown, without decoding it.

    Raises:
        PictureError: if it is not an image.
    """
    with _opened(file) as image:
        width, height = image.size
        is_sideways = image.format != "TIFF" and _orientation(image) in _SIDEWAYS
        return (height, width) if is_sideways else (width, height)


@contextmanager
def _opened(file: Path | BinaryIO) -> Iterator[ImageFile.ImageFile]:
    """Open an image; what goes wrong inside is a PictureError, whatever Pillow's plugin raises."""
    try:
        with Image.open(file, formats=_FORMATS) as image:
            yield image
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"it is not an image: none of {', '.join(_FORMATS)}") from None
    except Exception as error:  # among them RuntimeError, struct.error and MemoryError
        raise PictureError(f"it is not an image: {error}") from error


def _eight_bits(image: ImageFile.ImageFile) -> Image.Image:
    """Return an image as RGB or RGBA with 8 bits for each channel.

    As on the core, a 16-bit PNG or TIFF without a value over 4095 has 12 bits.
    """
    is_16_bit = any(";16" in str(tile.args) for tile in image.tile)  # empty after decoding
    may_be_12_bit = is_16_bit and image.format in ("PNG", "TIFF")
    if image.mode.startswith("I"):
        grey = image.convert("I")  # whatever the order of its bytes
        scale = 255 / (4095 if may_be_12_bit and _highest(grey) <= 4095 else 65535)
        return grey.point(lambda value: value * scale).convert("L").convert("RGB")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    eight = image if image.mode == mode else image.convert(mode)
    return _brighter(eight) if may_be_12_bit else eight


def _brighter(image: Image.Image) -> Image.Image:
    """Return an image of which Pillow kept the upper 8 of 16 bits with full brightness."""
    bands = image.split()
    if max(map(_highest, bands[:3])) > 4095 >> 8:
        return image
    colours = [band.point(lambda value: value * 17) for band in bands[:3]]
    return Image.merge(image.mode, [*colours, *bands[3:]])


def _highest(band: Image.Image) -> int:
    """Return the highest value of an image with one channel."""
    _, highest = cast(tuple[int, int], band.getextrema())
    return highest


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image as RGB: a transparent one before white, as on the core."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return how an image is turned; Pillow itself turns a TIFF, and forgets it, in decoding."""
    found = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found if isinstance(found, int) else 1
