"""What each sample in S3 says about itself, in its object's user metadata.

S3 limits the metadata of an object to 2 KB, keys included, and HTTP headers allow ASCII only:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Mapping, NamedTuple, Sequence

from ..pipeline.results import FrameResult, brief
from ..sources import Frame
from .configuration import FeedbackConfiguration

MAX_METADATA_BYTES = 2_000
"""Less than the limit of 2,048, whose way of counting is S3's own."""

VERSION = "1"
CORE, FRAME, CAPTURED_AT, SOURCE = "core", "frame", "captured-at", "source"
SIZE, MODEL, MODEL_SHA256, CONFIGURATION = "size", "model", "model-sha256", "configuration"
STRATEGIES, PREDICTIONS, LEFT_OUT = "strategies", "predictions", "predictions-left-out"
VERSION_KEY = "mli"
MASK_SUFFIX = ".mask.png"
"""How the key of a segmentation ends, in place of its sample's ending."""

_HEADER_PREFIX = "x-amz-meta-"
_SOURCE_BYTES = 300
_STRATEGIES_BYTES = 600
_VALUE_DECIMALS = 4
"""A ten-thousandth of a picture's side is less than a pixel of nearly all cameras."""
_FOLDER_CHARACTERS = 64
_DIGEST_CHARACTERS = 12


class Reason(NamedTuple):
    """Why a configuration kept a sample: ``value`` is what its strategy measured.

    ``strategy`` is None for a configuration that keeps all, and ``value`` also for a random choice.
    """

    config_id: str
    strategy: str | None = None
    value: float | None = None
    limit: float | None = None

    @classmethod
    def of(cls, configuration: FeedbackConfiguration, value: float | None) -> Reason:
        """Return the reason of a configuration whose strategy measured ``value``."""
        chosen = configuration.strategy
        if chosen is None:
            return cls(configuration.id)
        rounded = None if value is None else round(value, _VALUE_DECIMALS)
        return cls(configuration.id, chosen.name, rounded, chosen.limit)


@dataclass(frozen=True)
class SampleOrigin:
    """Where the samples of one sink come from: the core, its model, and the settings in use."""

    core: str
    model: str = ""
    model_sha256: str = ""
    configuration: str = ""

    @property
    def folder(self) -> str:
        """The folder of the model's samples: its name, and the beginning of its digest.

        It is empty if the model is not known.
        """
        return model_folder(self.model, self.model_sha256)


def model_folder(name: str, sha256: str) -> str:
    """Return the folder for samples of a model, whose name may have any letters and slashes."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_FOLDER_CHARACTERS].strip("-")
    return "-".join(filter(None, (plain, sha256[:_DIGEST_CHARACTERS])))


def mask_key(key: str) -> str:
    """Return the key of the segmentation of the sample with this ``key``: ``….mask.png``."""
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}{MASK_SUFFIX}"


def capture_time(seconds: float) -> str:
    """Return a capture time as samples and their messages have it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def frame_metadata(core_name: str, frame: Frame) -> dict[str, str]:
    """Return what the connector's message says about the frame of a sample, in strings of ASCII."""
    return {CORE: core_name, FRAME: str(frame.id), CAPTURED_AT: capture_time(frame.captured_at)}


def object_metadata(
    origin: SampleOrigin, frame: Frame, result: FrameResult, reasons: Sequence[Reason]
) -> dict[str, str]:
    """Return the metadata of a sample, which is always within the limit.

    Lists are JSON. Predictions, best first, are ``[label, score]`` or ``[label, score, box]``, the
    box in fractions of the image. Those that do not fit are counted.
    """
    width, height = _stored_size(frame)
    described = {
        VERSION_KEY: VERSION,
        **frame_metadata(_ascii(origin.core)[:128], frame),
        SOURCE: _end_of(frame.source),
        SIZE: f"{width}x{height}",
        MODEL: _end_of(origin.model),
        MODEL_SHA256: _ascii(origin.model_sha256)[:64],
        CONFIGURATION: _ascii(origin.configuration)[:64],
        STRATEGIES: _fitting([list(one) for one in reasons], _STRATEGIES_BYTES)[0],
        LEFT_OUT: str(len(result.predictions)),
    }
    room = MAX_METADATA_BYTES - metadata_size({**described, PREDICTIONS: ""})
    text, kept = _fitting([brief(one) for one in result.predictions], room)
    left_out = len(result.predictions) - kept
    return {**described, PREDICTIONS: text, LEFT_OUT: str(left_out)}


def decoded_text(text: str) -> str:
    """Return a text of the metadata, which is JSON; empty if it is not."""
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""


def metadata_size(metadata: Mapping[str, str]) -> int:
    """Return the bytes of ``metadata``, with the prefix that each key has as a header."""
    return sum(len(f"{_HEADER_PREFIX}{key}{value}".encode()) for key, value in metadata.items())


def _stored_size(frame: Frame) -> tuple[int, int]:
    """Return width and height of the image that is stored, which may have been decoded reduced."""
    if frame.data is not None:
        return frame.size
    return frame.image.shape[1], frame.image.shape[0]


def _fitting(items: Sequence[object], room: int) -> tuple[str, int]:
    """Return the first ``items`` that fit as a JSON list, and how many these are."""
    room -= 2
    texts: list[str] = []
    for item in items:
        text = _json(item)
        room -= len(text) + (1 if texts else 0)
        if room < 0:
            break
        texts.append(text)
    return f"[{','.join(texts)}]", len(texts)


def _end_of(text: str) -> str:
    """Return the end of ``text`` that fits as JSON: of a path, it says more than the beginning."""
    for start in range(max(0, len(text) - _SOURCE_BYTES), len(text) + 1):
        encoded = _json(text[start:])
        if len(encoded) <= _SOURCE_BYTES:
            return encoded
    return '""'


def _ascii(text: str) -> str:
    return re.sub(r"[^\x21-\x7e]", "?", text)


def _json(value: object) -> str:
    """Return JSON that travels through HTTP headers unchanged.

    Escaped are characters outside ASCII, DEL, a second space in a row, which signing folds, and the
    beginning of an encoded word, which S3 would decode.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    text = text.replace("\x7f", "\\u007f").replace("=?", "=\\u003f")
    return text.replace("  ", " \\u0020")
