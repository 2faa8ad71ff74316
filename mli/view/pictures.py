"""The pictures of samples: fetched from S3 once, checked, reduced, and encoded again."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageOps

from ..errors import MliError
from .drawing import jpeg

MOST_BYTES = 32 * 2**20
LONGEST_SIDE, SMALL_SIDE = 1280, 240
_KEPT = 40

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
        try:
            with Image.open(io.BytesIO(self._content(uri))) as image:
                return ImageOps.exif_transpose(image).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise PictureError(f"{uri}: it is no image: {error}") from error

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
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (side, side))
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.thumbnail((side, side))
            return jpeg(upright)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"it is no image: {error}") from error
