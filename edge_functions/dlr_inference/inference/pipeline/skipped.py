"""Frames that are skipped: when that is worth a log line, a health fault, or the end of a model."""

from __future__ import annotations

import logging
import time
from typing import Any

from ..errors import InferenceError, ModelError

LASTING = 10
"""This many frames in a row without a usable output are a fault that lasts."""

SUMMARY_SECONDS = 60.0
"""The same reason is logged once, then with its number of frames after this time."""

_MAX_REASONS = 10
_log = logging.getLogger(__name__)


class SkippedFrames:
    """Logs why frames are skipped: each reason once, then a summary a minute.

    After ``most_reasons``, also a new reason waits for the summary; None sets no limit.
    """

    def __init__(self, most_reasons: int | None = _MAX_REASONS) -> None:
        self._most = most_reasons
        self._last = ""
        self._reasons: set[str] = set()
        self._unsaid = 0
        self._began = 0.0

    def add(self, error: Exception) -> None:
        """Note that a frame was skipped because of ``error``."""
        reason, now = str(error), time.monotonic()
        is_full = self._most is not None and len(self._reasons) >= self._most
        self._last = reason
        if self._reasons and now - self._began >= SUMMARY_SECONDS:
            self._unsaid += 1
            self._summarise(now)
        elif reason in self._reasons or is_full:
            self._unsaid += 1
        else:
            self._began = self._began if self._reasons else now
            self._reasons.add(reason)
            _log.warning("frame skipped: %s", reason)

    def end(self) -> None:
        """Log the frames that wait for a summary, because no more will come."""
        if self._unsaid:
            self._summarise(time.monotonic())

    def _summarise(self, now: float) -> None:
        _log.warning(
            "%d more frames skipped in %.0f s; the last: %s",
            self._unsaid,
            now - self._began,
            self._last,
        )
        self._reasons, self._unsaid, self._began = {self._last}, 0, now


class ModelTrouble:
    """Tells frames that a model cannot cope with from a model that cannot be used at all.

    A frame may be one that a model divides by zero on, and so may be all of a night: a core must
    outlive them. But a model that has not predicted anything yet, and fails on ten frames in a row,
    is broken; so is one that the runtime refuses to run ten times in a row. Frames of one colour do
    not count as proof, since a covered camera shows nothing else.
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        self._model: object = None
        self._begin(None)

    def predicted(self, model: object) -> None:
        """Note that ``model`` gave a usable output."""
        if model is not self._model:
            self._begin(model)
        self._proved, self._in_a_row, self._saw_content, self.fault = True, 0, False, None

    def failed(self, model: object, image: Any, error: InferenceError) -> None:
        """Note that ``model`` gave none for ``image``.

        Raises:
            ModelError: if the model is broken.
        """
        if model is not self._model:
            self._begin(model)
        self._in_a_row += 1
        self._saw_content = self._saw_content or bool((image != image[:1, :1]).any())
        if self._in_a_row < LASTING:
            return
        self.fault = f"{self._in_a_row} frames in a row: {error}"
        if self._saw_content and (isinstance(error, ModelError) or not self._proved):
            raise ModelError(f"the model failed on {self._in_a_row} frames in a row: {error}")

    def _begin(self, model: object) -> None:
        self._model, self._proved, self._in_a_row, self._saw_content = model, False, 0, False
        self.fault = None
