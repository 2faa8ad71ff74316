"""A page as ``mli view`` serves it, and a browser to look at it with."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import cv2
import pytest

from inference.feedback.configuration import default_configuration
from inference.feedback.messages import prediction_message
from inference.outgoing.previews import preview_message
from inference.pipeline.results import EnvelopeEncoder, FrameResult
from inference.sources import Frame
from inference.vision.postprocess import Prediction
from inference.vision.scores import Scores
from inference.vision.thumbnail import Thumbnails
from mli.view.board import Board
from mli.view.pictures import Pictures
from mli.view.server import Server

CORE = "Demo"
CUP = Prediction("cup", 0.960304, (0.28791, 0.05112, 0.68895, 0.60998))
TABLE = Prediction("dining table", 0.772, (0.00325, 0.00718, 0.99861, 0.9903))
_CAPTURED = 1_795_000_000.0


class Viewed:
    """A board with a page, and messages as a core encodes them."""

    def __init__(self, photographs: Path) -> None:
        self.photographs = photographs
        self.offset = 0.0
        self.objects: dict[str, bytes] = {}
        self.board = Board(
            lambda core: default_configuration("bucket"),
            clock=lambda: time.monotonic() + self.offset,
        )
        self.board.set_connection(True, "connected")
        self.metadata: dict[str, dict[str, str]] = {}
        self.pictures = Pictures(
            lambda uri: (self.objects[uri], self.metadata.get(uri, {})), self.board.describe
        )
        self.server = Server(self.board, self.pictures)
        self._encode = EnvelopeEncoder(
            core_name=CORE, model_name="ssd", model_sha256="0" * 64, configuration="0" * 12
        )

    def predict(self, frame: int, *predictions: Prediction, source: str = "coffee.jpg") -> None:
        """Publish an envelope."""
        result = self._result(frame, source, predictions)
        self.board.receive(f"mli/predictions/{CORE}", self._encode(result).payload)

    def _result(self, frame: int, source: str, predictions: Sequence[Prediction]) -> FrameResult:
        return FrameResult(
            frame, source, 600, 400, _CAPTURED + frame, predictions,
            {"capture": 1.2, "preprocess": 0.5, "inference": 31.0 + frame % 3, "postprocess": 0.4},
            lambda: Scores((), (), False),
        )  # fmt: skip

    def preview(self, frame: int, *predictions: Prediction, source: str = "coffee.jpg") -> None:
        """Publish a live picture, as a core encodes it."""
        image = cv2.imread(str(self.photographs / source))
        result = self._result(frame, source, predictions)
        shot = Frame(frame, source, image, None, result.captured_at, 1.0)
        payload = preview_message(shot, result, Thumbnails())
        self.board.receive(f"mli/preview/{CORE}", payload)

    def keep(self, frame: int, config_id: str, scores: list[float], photograph: str) -> None:
        """Publish the message after an upload, and hold the object."""
        from datetime import datetime

        uri = f"s3://bucket/{config_id}/{frame}.jpg"
        self.objects[uri] = (self.photographs / photograph).read_bytes()
        captured = datetime.fromtimestamp(_CAPTURED + frame, UTC)
        payload = prediction_message(
            source=uri,
            prediction=scores,
            config_id=config_id,
            metadata={
                "core": CORE,
                "frame": str(frame),
                "captured-at": captured.isoformat(timespec="milliseconds"),
            },
            published_at=captured,
        )
        self.board.receive("feedback/message/prediction", payload)

    def telemetry(self, **values: Any) -> None:
        """Publish telemetry."""
        message = {
            "health": {"status": "ok", "faults": []},
            "frames": {"perSecond": 2.1},
            "latencyMs": {"inference": {"p50": 31.2, "p95": 40.0}},
            "memoryBytes": 180 * 2**20,
            "publish": {"queued": 0, "dropped": 0},
            "sources": [{"name": "static", "state": "streaming"}],
            "model": {"name": "ssdlite-mobilenet-v2-coco"},
            **values,
        }
        self.board.receive(f"mli/telemetry/{CORE}", json.dumps(message).encode())


@pytest.fixture
def viewed(photographs: Path) -> Iterator[Viewed]:
    """A page that is served."""
    made = Viewed(photographs)
    with made.server:
        yield made
