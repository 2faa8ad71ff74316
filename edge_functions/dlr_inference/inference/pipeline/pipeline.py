"""The loop over frames: source, preprocess, model, postprocess, sinks."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable, Sequence

from ..errors import FrameError, ModelError, OutputError
from ..model.engines.runnable import RunnableModel
from ..sources import Frame, FrameSource, NoFrameError
from ..vision.detections import Outputs
from ..vision.postprocess import Postprocessor
from .preparation import Preparation, Prepared, Preprocess
from .results import FrameResult
from .skipped import ModelTrouble, SkippedFrames

_AFTER_ERROR_SECONDS = 1.0
_UNUSABLE = (FrameError, ModelError, MemoryError)
"""Why a frame that was read may have no result; the pipeline continues with the next one."""

_log = logging.getLogger(__name__)

Sink = Callable[[Frame, FrameResult], None]
"""Takes a frame and its predictions. A sink that can fail handles that itself."""


@dataclass
class Counters:
    """What became of the frames so far: ``read`` = ``predicted`` + ``failed``.

    ``sink_errors`` counts exceptions that sinks raised; the other sinks still get the frame.
    """

    read: int = 0
    predicted: int = 0
    failed: int = 0
    sink_errors: int = 0


@dataclass(frozen=True)
class Stages:
    """What a frame goes through; ``interval`` is the seconds from one frame's start to the next."""

    source: FrameSource
    preprocess: Preprocess
    model: RunnableModel
    postprocess: Postprocessor
    sinks: Sequence[Sink]
    interval: float


class Pipeline:
    """Runs frames through one model, and passes each result to every sink.

    ``skipped`` logs the frames that have no result; by default at most ten reasons a minute.
    """

    def __init__(self, stages: Stages, skipped: SkippedFrames | None = None) -> None:
        self.counters = Counters()
        self.last_error: Exception | None = None
        """Why the last of the ``failed`` frames was skipped."""
        self._stages = stages
        self._preparation = Preparation()
        self._is_late = False
        self._skipped = skipped or SkippedFrames()
        self._trouble = ModelTrouble()
        self._changed = threading.Event()
        self._stopping = threading.Event()

    @property
    def stages(self) -> Stages:
        """The stages that the next frame goes through."""
        return self._stages

    @property
    def fault(self) -> str | None:
        """Why the last frames had no usable output, or None if that did not last."""
        return self._trouble.fault or self._stages.postprocess.fault

    def change(self, stages: Stages) -> None:
        """Replace the stages, all at once and between two frames; callable from any thread."""
        self._stages = stages
        self._changed.set()

    def stop(self) -> None:
        """Make :meth:`run` return after the present frame; callable from any thread or signal."""
        self._stopping.set()
        self._changed.set()

    def run(self, frames: int | None = None) -> None:
        """Predict until the source ends, :meth:`stop` is called, or ``frames`` were tried.

        Frames start ``interval`` seconds apart; time that one overruns is not made up. While frames
        overrun it, as at an interval of 0, one image file is read and another one's outputs are
        decoded and published while the model runs.

        Raises:
            ModelError: if the model fails on every frame, or does not fit its profile.
        """
        due = time.monotonic()
        while not self._stopping.is_set() and (frames is None or self.counters.read < frames):
            stages = self._stages
            try:
                prepared = self._preparation.next(stages.source, stages.preprocess)
            except NoFrameError:
                continue  # the source has waited; the frame stays due
            except (FrameError, OSError) as error:
                self._preparation.settle()
                self.counters.read += 1
                self._fail(error)
                if isinstance(error, OSError):  # not one file, but a disk that fails
                    self._stopping.wait(_AFTER_ERROR_SECONDS)
            else:
                if prepared is None and stages is self._stages:
                    break
                if prepared is not None:
                    self.counters.read += 1
                    started = time.monotonic()
                    if self._is_late:
                        self._preparation.begin(stages.source, stages.preprocess)
                    self._predict(prepared, stages)
                    spent = prepared.seconds + time.monotonic() - started
                    self._is_late = spent >= self._stages.interval
            due = self._wait(due)
        self._preparation.settle()
        self._skipped.end()

    def _wait(self, due: float) -> float:
        """Wait until the next frame is due; the interval may change meanwhile."""
        started = due
        while not self._stopping.is_set():
            now = time.monotonic()
            due = max(started + self._stages.interval, now)
            if not (self._changed.wait(due - now) if due > now else self._changed.is_set()):
                break
            self._changed.clear()
        return due

    def _fail(self, error: Exception) -> None:
        self.counters.failed += 1
        self.last_error = error
        self._skipped.add(error)

    def _predict(self, prepared: Prepared, stages: Stages) -> None:
        started = time.perf_counter()
        try:
            outputs = stages.model.run(prepared.tensor)
        except _UNUSABLE as error:
            self._preparation.settle()
            self._unusable(prepared.frame, stages, error)
            return
        milliseconds = (time.perf_counter() - started) * 1e3
        self._preparation.finish(lambda: self._finish(prepared, stages, outputs, milliseconds))

    def _unusable(self, frame: Frame, stages: Stages, error: Exception) -> None:
        if isinstance(error, (OutputError, ModelError)):
            self._fail(error)
            self._trouble.failed(stages.model, frame.image, error)
        else:
            self._fail(error if str(error) else FrameError("there is not enough memory for it"))

    def _finish(
        self, prepared: Prepared, stages: Stages, outputs: Outputs, inference_ms: float
    ) -> None:
        frame, fit = prepared.frame, prepared.fit
        started = time.perf_counter()
        try:
            found = stages.postprocess.decode(outputs)
            predictions = stages.postprocess.choose(found, fit)
        except _UNUSABLE as error:
            self._unusable(frame, stages, error)
            return
        self._trouble.predicted(stages.model)
        latency = {
            "capture": frame.capture_ms,
            "preprocess": prepared.milliseconds,
            "inference": inference_ms,
            "postprocess": (time.perf_counter() - started) * 1e3,
        }
        width, height = frame.size
        self.counters.predicted += 1
        result = FrameResult(
            frame_id=frame.id,
            source=frame.source,
            origin=frame.origin,
            width=width,
            height=height,
            captured_at=frame.captured_at,
            predictions=predictions,
            latency_ms=latency,
            scores=lambda: stages.postprocess.scores(found, fit),
            mask=stages.postprocess.mask_of(found, fit),
        )
        for sink in stages.sinks:
            self._hand_over(sink, frame, result)

    def _hand_over(self, sink: Sink, frame: Frame, result: FrameResult) -> None:
        try:
            sink(frame, result)
        except Exception:  # no fault of a sink may end the loop
            self.counters.sink_errors += 1
            _log.exception("frame %d: a sink failed", frame.id)
