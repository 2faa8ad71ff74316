"""Live pictures: a small JPEG of a frame now and then, which nothing waits for."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable

from ..names import MAX_MESSAGE_BYTES, SHORTEST_PREVIEW_SECONDS, preview_topic
from ..pipeline.results import FrameResult, brief, compact_json, timestamp
from ..sources import Frame
from .outbox import Send

_PREDICTIONS_BYTES = 900
_MAX_SOURCE_CHARACTERS = 200
_CLOSE_SECONDS = 1.0
_NEVER = float("-inf")
_log = logging.getLogger(__name__)

Encode = Callable[[object, int], bytes]
"""Returns an image as JPEG of at most this many bytes. Raises ``FrameError`` if it cannot."""


@dataclass
class PreviewCounters:
    """What became of the previews that were due.

    ``dropped`` were not sent because a newer one came, because messages waited, or because sending
    failed; ``failed`` could not be encoded.
    """

    sent: int = 0
    dropped: int = 0
    failed: int = 0
    milliseconds: float = 0.0
    """How long the last one took to reduce and encode."""


class Previews:
    """Sends previews from a thread of its own; only the newest waits, and none is kept or repeated.

    So the pipeline only hands over a frame when one is due, and no other message is delayed.
    """

    def __init__(self, send: Send, encode: Encode, is_free: Callable[[], bool]) -> None:
        """``is_free`` tells whether no other message waits for the broker."""
        self.counters = PreviewCounters()
        self._send = send
        self._encode = encode
        self._is_free = is_free
        self._changed = threading.Condition()
        self._next: tuple[str, Frame, FrameResult] | None = None
        self._is_closed = False
        self._is_failing = False
        self._thread: threading.Thread | None = None

    def sink(self, core_name: str, interval: float) -> PreviewSink:
        """Return the sink that hands over frames every ``interval`` seconds."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="previews", daemon=True)
            self._thread.start()
        topic = preview_topic(core_name)
        return PreviewSink(lambda frame, result: self.put(topic, frame, result), interval)

    def put(self, topic: str, frame: Frame, result: FrameResult) -> None:
        """Send a preview of ``frame`` next, instead of one that still waits."""
        with self._changed:
            if self._next is not None:
                self.counters.dropped += 1
            self._next = (topic, frame, result)
            self._changed.notify()

    def close(self) -> None:
        """Send no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._next is not None)
                if self._is_closed or self._next is None:
                    return
                (topic, frame, result), self._next = self._next, None
            if self._is_free():
                self._deliver(topic, frame, result)
            else:
                self.counters.dropped += 1

    def _deliver(self, topic: str, frame: Frame, result: FrameResult) -> None:
        try:
            began = time.perf_counter()
            payload = preview_message(frame, result, self._encode)
            self.counters.milliseconds = round((time.perf_counter() - began) * 1e3, 1)
        except Exception as error:  # no picture may end the thread
            self.counters.failed += 1
            self._note(f"frame {frame.id}: no preview: {error}")
            return
        try:
            self._send(topic, payload)
        except OSError as error:
            self.counters.dropped += 1
            self._note(f"previews are not sent: {error}")
        else:
            self.counters.sent += 1
            self._is_failing = False

    def _note(self, reason: str) -> None:
        """Log a reason once, until a preview is sent again."""
        if not self._is_failing:
            _log.warning("%s", reason)
        self._is_failing = True


class PreviewSink:
    """Hands over a frame of each source when its next preview is due, one source at a time."""

    def __init__(
        self,
        put: Callable[[Frame, FrameResult], None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._put = put
        self._clock = clock
        self._interval = interval
        self._last: dict[str, float] = {}
        self._refused: set[str] = set()
        """Sources whose preview was due, but right after that of another."""

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Hand over ``frame`` if a preview of its source is due."""
        now = self._clock()
        gap = max(self._interval, SHORTEST_PREVIEW_SECONDS * len(self._last))
        if now - self._sent_at(frame.origin) < gap:
            return
        if now - max(self._last.values(), default=_NEVER) < SHORTEST_PREVIEW_SECONDS:
            self._refused.add(frame.origin)
            return
        if any(self._sent_at(one) < self._sent_at(frame.origin) for one in self._refused):
            self._refused.clear()  # gives way once: the other source may be gone
            return
        self._refused.discard(frame.origin)
        self._last[frame.origin] = now
        self._put(frame, result)

    def _sent_at(self, origin: str) -> float:
        return self._last.get(origin, _NEVER)


def preview_message(frame: Frame, result: FrameResult, encode: Encode) -> bytes:
    """Return a line of JSON about ``frame``, a line feed, and the JPEG, which Base64 would enlarge.

    The predictions, best first, are ``[label, score]`` or ``[label, score, box]``, as many as fit.

    Raises:
        FrameError: if the frame cannot be encoded in the room that is left.
    """
    width, height = frame.size
    head = compact_json(
        {
            "schemaVersion": "1.0",
            "timestamp": timestamp(result.captured_at),
            "frame": {
                "id": frame.id,
                "source": frame.source[-_MAX_SOURCE_CHARACTERS:],
                "width": width,
                "height": height,
            },
            "predictions": _fitting(result),
        }
    ).encode()
    return head + b"\n" + encode(frame.image, MAX_MESSAGE_BYTES - len(head) - 1)


def _fitting(result: FrameResult) -> list[list[object]]:
    room = _PREDICTIONS_BYTES
    kept: list[list[object]] = []
    for prediction in result.predictions:
        item = brief(prediction)
        room -= len(compact_json(item).encode()) + 2
        if room < 0:
            break
        kept.append(item)
    return kept
