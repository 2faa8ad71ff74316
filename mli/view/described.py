"""What a sample's object in S3 says of itself, read without trust in its content."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.feedback import metadata
from inference.feedback.metadata import Reason

from .drawing import Mark
from .predictions import marks_of_arrays, number_of

_TEXT = 300
_MOST_ITEMS = 200


@dataclass(frozen=True)
class Described:
    """The metadata of a sample; texts that are missing are empty.

    ``left_out`` counts predictions that did not fit. ``size`` is width and height of the image.
    """

    core: str = ""
    frame: str = ""
    captured: str = ""
    source: str = ""
    size: tuple[int, int] | None = None
    model: str = ""
    model_sha256: str = ""
    configuration: str = ""
    reasons: tuple[Reason, ...] = ()
    marks: tuple[Mark, ...] = ()
    left_out: int = 0

    @classmethod
    def of(cls, found: Mapping[str, str]) -> Described | None:
        """Read an object's metadata; None if it has none of ours, as samples of Greengrass V1."""
        if metadata.VERSION_KEY not in found:
            return None
        size = re.fullmatch(r"(\d{1,6})x(\d{1,6})", found.get(metadata.SIZE, ""), re.ASCII)
        left_out = number_of(found.get(metadata.LEFT_OUT)) or 0
        return cls(
            core=_plain(found, metadata.CORE),
            frame=_plain(found, metadata.FRAME),
            captured=_plain(found, metadata.CAPTURED_AT),
            source=metadata.decoded_text(found.get(metadata.SOURCE, ""))[:_TEXT],
            size=(int(size[1]), int(size[2])) if size else None,
            model=metadata.decoded_text(found.get(metadata.MODEL, ""))[:_TEXT],
            model_sha256=_plain(found, metadata.MODEL_SHA256),
            configuration=_plain(found, metadata.CONFIGURATION),
            reasons=tuple(filter(None, map(_reason, _list(found, metadata.STRATEGIES)))),
            marks=tuple(marks_of_arrays(_list(found, metadata.PREDICTIONS))),
            left_out=max(0, int(left_out)),
        )


def _plain(found: Mapping[str, str], key: str) -> str:
    return found.get(key, "")[:_TEXT]


def _list(found: Mapping[str, str], key: str) -> list[Any]:
    try:
        value = json.loads(found.get(key, "[]"))
    except (ValueError, RecursionError):
        return []
    return value[:_MOST_ITEMS] if isinstance(value, list) else []


def _reason(item: Any) -> Reason | None:
    if not isinstance(item, list) or len(item) != 4 or not isinstance(item[0], str):
        return None
    name = item[1] if isinstance(item[1], str) else None
    return Reason(item[0], name, number_of(item[2]), number_of(item[3]))
