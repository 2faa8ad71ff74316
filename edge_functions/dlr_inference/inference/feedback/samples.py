"""A sample as a file: a line of JSON with what is to be done, then the image and its mask."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InferenceError


@dataclass(frozen=True)
class SampleRequest:
    """One configuration's request for a sample: where it goes, and the message that follows.

    Requests that share ``bucket`` and ``key`` share the upload, and ``about``: the metadata of the
    object.
    """

    id: str
    bucket: str
    key: str
    content_type: str
    message: dict[str, Any]
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """An image with the requests for it, and its segmentation as PNG if the model makes one.

    Names sort by age.
    """

    name: str
    requests: tuple[SampleRequest, ...]
    image: bytes
    mask: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of the image and its mask."""
        return len(self.image) + len(self.mask)


class DamagedSampleError(InferenceError):
    """A sample's file that is missing, or not as it was written."""


def encode(sample: Sample) -> bytes:
    """Return the content of the file of ``sample``."""
    requests = [dict(vars(request)) for request in sample.requests]
    about = [request.pop("about") for request in requests]  # older versions do not know it
    head = {
        "bytes": len(sample.image),
        "mask": len(sample.mask),
        "requests": requests,
        "about": about,
    }
    return json.dumps(head).encode() + b"\n" + sample.image + sample.mask


def decode(name: str, content: bytes) -> Sample:
    """Return the sample in a file.

    Raises:
        DamagedSampleError: if the file is not as it was written.
    """
    try:
        return _decoded(name, content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedSampleError(str(error)) from None


def request_ids(path: Path) -> tuple[str, ...]:
    """Return the ids of the requests in a file, without its image; none if it is damaged."""
    try:
        with path.open("rb") as file:
            return tuple(str(one["id"]) for one in json.loads(file.readline())["requests"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _decoded(name: str, content: bytes) -> Sample:
    line, _, body = content.partition(b"\n")
    head = json.loads(line)
    size, mask = int(head["bytes"]), int(head.get("mask", 0))  # none in files of older versions
    if size + mask != len(body):
        raise ValueError(f"it has {len(body)} of {size + mask} bytes")
    about = head.get("about") or [{}] * len(head["requests"])  # none in files of older versions
    requests = tuple(
        SampleRequest(**fields, about={str(key): str(text) for key, text in one.items()})
        for fields, one in zip(head["requests"], about)
    )
    if len(requests) != len(head["requests"]):
        raise ValueError("not all of its requests are described")
    for request in requests:
        if not isinstance(request.message.get("metadata"), dict):
            raise ValueError(f"its request {request.id} has no metadata")
    return Sample(name, requests, body[:size], body[size:])
