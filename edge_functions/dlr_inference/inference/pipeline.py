"""The loop: source, preprocess, model, postprocess, sinks; one frame at a time."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable, Sequence

from .errors import FrameError
from .messages import FrameResult
from .model import DlrModel
from .postprocess import Postprocessor
from .preprocess import Preprocessor
from .sources import Frame, FrameSource

_log = logging.getLogger(__name__)

Sink = Callable[[Frame, FrameResult], None]
"""Takes a frame and what was seen in it. A sink that can fail handles that itself."""


@dataclass
class Counters:
    """What became of the frames so far. ``read`` = ``predicted`` + ``failed``."""

    read: int = 0
    predicted: int = 0
    failed: int = 0


class Pipeline:
    """Runs frames through one model and hands each result to every sink."""

    def __init__(
        self,
        *,
        source: FrameSource,
        preprocess: Preprocessor,
        model: DlrModel,
        postprocess: Postprocessor,
        sinks: Sequence[Sink],
        interval: float,
    ) -> None:
        self.counters = Counters()
        self._source = source
        self._preprocess = preprocess
        self._model = model
        self._postprocess = postprocess
        self._sinks = sinks
        self._interval = interval
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let :meth:`run` return after the frame in work; callable from any thread or a signal."""
        self._stopping.set()

    def run(self, frames: int | None = None) -> None:
        """Predict until the source ends, :meth:`stop` is called, or ``frames`` were tried.

        Frames start ``interval`` seconds apart; one that took longer delays only itself.

        Raises:
            ModelError: if the model fails, or does not fit its profile.
        """
        due = time.monotonic()
        while not self._stopping.is_set() and (frames is None or self.counters.read < frames):
            try:
                frame = self._source.read()
            except FrameError as error:
                self._count_failure(error)
            else:
                if frame is None:
                    return
                self.counters.read += 1
                self._predict(frame)
            due = max(due + self._interval, time.monotonic())
            self._stopping.wait(due - time.monotonic())

    def _count_failure(self, error: FrameError) -> None:
        self.counters.read += 1
        self.counters.failed += 1
        _log.warning("frame skipped: %s", error)

    def _predict(self, frame: Frame) -> None:
        marks: list[float] = [time.perf_counter()]
        tensor, way = self._preprocess(frame.image)
        marks.append(time.perf_counter())
        outputs = self._model.run(tensor)
        marks.append(time.perf_counter())
        found = self._postprocess.decode(outputs)
        predictions = self._postprocess.choose(found, way)
        marks.append(time.perf_counter())
        stages = ("preprocess", "inference", "postprocess")
        latency = {"capture": frame.capture_ms}
        for stage, start, end in zip(stages, marks, marks[1:]):
            latency[stage] = (end - start) * 1e3
        height, width = frame.image.shape[:2]
        self.counters.predicted += 1
        result = FrameResult(
            frame_id=frame.id,
            source=frame.source,
            width=width,
            height=height,
            captured_at=frame.captured_at,
            predictions=predictions,
            latency_ms=latency,
            scores=lambda: self._postprocess.scores(found),
        )
        for sink in self._sinks:
            sink(frame, result)
