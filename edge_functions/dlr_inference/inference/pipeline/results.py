"""The message about a frame, in the two forms of ``messageFormat``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Sequence

from ..names import MAX_MESSAGE_BYTES

if TYPE_CHECKING:  # telemetry imports this module, also to report that OpenCV is missing
    from ..vision.postprocess import Prediction
    from ..vision.scores import Scores

SCHEMA_VERSION = "1.0"
_BOX_DECIMALS = 5
_BRIEF_DECIMALS = 4
_POINT_DECIMALS = 4
"""A person has 17 keypoints: with a fifth decimal fewer people would fit into a message."""
_MAX_SOURCE_CHARACTERS = 256
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

Item = Dict[str, Any]
"""A prediction as messages have it."""


@dataclass(frozen=True)
class FrameResult:
    """A frame's predictions, best first, with everything that the envelope contains.

    ``captured_at`` is in seconds since the epoch; ``latency_ms`` holds milliseconds by stage.
    ``scores`` computes what feedback strategies read, if it is called, and ``mask`` the PNG of a
    segmentation; it is None for models of another kind. ``origin`` distinguishes the sources of one
    core.
    """

    frame_id: int
    source: str
    width: int
    height: int
    captured_at: float
    predictions: Sequence[Prediction]
    latency_ms: Mapping[str, float]
    scores: Callable[[], Scores]
    origin: str = ""
    mask: Callable[[], bytes] | None = None


@dataclass(frozen=True)
class Message:
    """An encoded message, and how many predictions were left out to fit the size limit."""

    payload: bytes
    left_out: int = 0


Encoder = Callable[[FrameResult], Message]


def encode_list(result: FrameResult) -> Message:
    """Encode predictions as a JSON list of label and score, the format of generation 1.

    ``[{"confidence": "0.21719395", "prediction": "n03983396 pop bottle, soda bottle"}]``: the score
    is a string with the shortest exact digits of a float32. A detection also has a ``box``.
    """
    import numpy as np  # once per message: commands that only know its form start without NumPy

    scores = (np.float32(prediction.score) for prediction in result.predictions)
    texts = [np.format_float_positional(score, trim="0") for score in scores]
    return _capped(list(map(_list_item, result.predictions, texts)), list)


class EnvelopeEncoder:
    """Encodes predictions with core, model, frame, time and latencies."""

    def __init__(
        self,
        *,
        core_name: str,
        model_name: str,
        model_sha256: str,
        configuration: str,
        component: str | None = None,
    ) -> None:
        """``configuration`` is the digest of the settings in use.

        ``component`` is the name of the component of the second generation, by which rules in the
        cloud know the cores of a fleet.
        """
        self._origin = {"core": core_name, **({"component": component} if component else {})}
        self._configuration = configuration
        self._model = {"name": model_name, "sha256": model_sha256}

    def __call__(self, result: FrameResult) -> Message:
        """Return ``result`` as a JSON object whose last key is ``predictions``."""
        envelope = {
            "schemaVersion": SCHEMA_VERSION,
            "timestamp": timestamp(result.captured_at),
            **self._origin,
            "frame": {
                "id": result.frame_id,
                "source": result.source[-_MAX_SOURCE_CHARACTERS:],
                "width": result.width,
                "height": result.height,
            },
            "model": self._model,
            "configuration": self._configuration,
            "latencyMs": {key: round(value, 3) for key, value in result.latency_ms.items()},
        }
        items = [_envelope_item(prediction) for prediction in result.predictions]
        return _capped(items, lambda some: {**envelope, "predictions": some})


def brief(prediction: Prediction) -> list[object]:
    """Return ``[label, score]``, or ``[label, score, box]``, for where every byte counts."""
    item: list[object] = [prediction.label, round(prediction.score, _BRIEF_DECIMALS)]
    if prediction.box is not None:
        item.append([round(value, _BRIEF_DECIMALS) for value in prediction.box])
    return item


def _list_item(prediction: Prediction, score: str) -> Item:
    item: Item = {"confidence": score, "prediction": prediction.label}
    return _with_box(item, prediction)


def _envelope_item(prediction: Prediction) -> Item:
    item: Item = {"label": prediction.label, "score": round(prediction.score, 6)}
    return _with_box(item, prediction)


def _with_box(item: Item, prediction: Prediction) -> Item:
    if prediction.box is not None:
        item["box"] = [round(value, _BOX_DECIMALS) for value in prediction.box]
    if prediction.keypoints is not None:
        item["keypoints"] = [
            [round(value, _POINT_DECIMALS) for value in point] for point in prediction.keypoints
        ]
    return item


def _capped(items: Sequence[Item], message: Callable[[Sequence[Item]], object]) -> Message:
    """Encode as many ``items``, best first, as fit; count those that are left out."""
    payload = compact_json(message(items)).encode()
    if len(payload) <= MAX_MESSAGE_BYTES:
        return Message(payload)
    room = MAX_MESSAGE_BYTES - len(compact_json(message([])).encode())
    kept = 0
    for item in items:
        room -= len(compact_json(item).encode()) + (len(", ") if kept else 0)
        if room < 0:
            break
        kept += 1
    return Message(compact_json(message(items[:kept])).encode(), len(items) - kept)


def compact_json(value: object) -> str:
    """Return ``value`` as JSON without escapes for non-ASCII characters, to save bytes."""
    return _JSON.encode(value)


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as messages have them."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
