"""What the page knows of one core, all of it bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, TypeVar

from inference.feedback.configuration import FeedbackConfigurations

from ..watch.payload import Payload
from ..watch.silence import silent_after
from .described import Described
from .drawing import Mark
from .predictions import marks_of, number_of
from .reasons import reason, strategy_text
from .series import Series
from .shown_frames import (
    Live,
    Sample,
    end_of,
    identity_of,
    mark_json,
    object_of,
    seconds_since,
    shown,
)

MOST_ROWS = 30
MOST_SAMPLES = 12
MOST_REASONS = 30
"""Feedback configurations that kept one frame; the message names them, and may come from anyone."""
MOST_FRAMES = 600
"""Predictions that wait for a sample of their frame: two minutes at five per second."""
MOST_SOURCES = 16
_RATE_SECONDS = 10.0
_STAGES = ("capture", "preprocess", "inference", "postprocess")

AnyFrame = TypeVar("AnyFrame", Live, Sample)


class CoreView:
    """Takes a core's messages, and returns what the page shows of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = 0.0
        self.count = 0
        self.configurations: FeedbackConfigurations | None = None
        self.samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self.latest: OrderedDict[str, Sample] = OrderedDict()
        """The latest sample of each source."""
        self.live: OrderedDict[str, Live] = OrderedDict()
        """The latest live picture of each source, or of all files of a folder."""
        self.configuration: str | None = None
        """The digest of the settings that the core said last."""
        self._gaps: deque[float] = deque(maxlen=10)
        self._rows: deque[dict[str, Any]] = deque(maxlen=MOST_ROWS)
        self._frames: OrderedDict[str, tuple[Sequence[Mark], str]] = OrderedDict()
        self._arrivals: deque[float] = deque(maxlen=5_000)
        self._series: dict[str, Series] = {}
        self._telemetry: dict[str, Any] = {}
        self._telemetry_at = 0.0
        self._source_names: Sequence[str] = ()

    def add_prediction(self, message: Any, now: float) -> None:
        """Take a message of the prediction topic, which may be anything."""
        self._note(now)
        self.count += 1
        self._arrivals.append(now)
        marks = marks_of(message)
        frame = object_of(message, "frame")
        source = end_of(frame.get("source"))
        self._note_configuration(message)
        latency = object_of(message, "latencyMs")
        total = 0.0
        for stage in _STAGES:
            value = number_of(latency.get(stage))
            if value is not None:
                total += value
                self._point(stage, now, value)
        self._rows.append(
            {
                "n": self.count,
                "age": now,
                "source": source,
                "ms": round(total, 1) if latency else None,
                "found": [mark_json(mark) for mark in marks[:5]],
                "more": max(0, len(marks) - 5),
            }
        )
        captured = message.get("timestamp") if isinstance(message, dict) else None
        identity = identity_of(frame.get("id"), captured)
        if identity:
            self._frames[identity] = (marks, source)
            if len(self._frames) > MOST_FRAMES:
                self._frames.popitem(last=False)
            for sample in self.samples:
                if sample.identity == identity:
                    self._join(sample)
            for live in self.live.values():
                if live.identity == identity:
                    live.marks = marks

    def add_telemetry(self, message: Any, now: float) -> None:
        """Take a message of the telemetry topic, which may be anything."""
        if not isinstance(message, dict):
            return
        self._note(now)
        self._note_configuration(message)
        self._telemetry_at = now
        publish, frames = object_of(message, "publish"), object_of(message, "frames")
        latency, sources = object_of(message, "latencyMs"), message.get("sources")
        numbers = {
            "fps": frames.get("perSecond"),
            "memory": message.get("memoryBytes"),
            "queued": publish.get("queued"),
            "dropped": publish.get("dropped"),
        }
        for name, value in numbers.items():
            number = number_of(value)
            if number is not None:
                self._point(name, now, number)
        if not any(stage in self._series for stage in _STAGES):  # the list format has no latencies
            for stage in _STAGES:
                median = number_of(object_of(latency, stage).get("p50"))
                if median is not None:
                    self._point(f"{stage} p50", now, median)
        health = object_of(message, "health")
        faults = health.get("faults")
        known = (
            [one for one in sources if isinstance(one, dict)] if isinstance(sources, list) else []
        )
        self._use_sources([end_of(one.get("name")) for one in known])
        self._telemetry = {
            "status": shown(health.get("status")),
            "faults": [shown(one) for one in faults[:8]] if isinstance(faults, list) else [],
            "model": shown(object_of(message, "model").get("name")),
            "p50": number_of(object_of(latency, "inference").get("p50")),
            "p95": number_of(object_of(latency, "inference").get("p95")),
            "sources": [
                {"name": end_of(one.get("name")), "state": shown(one.get("state"))}
                for one in known[:MOST_SOURCES]
            ],
        }

    def add_preview(self, payload: bytes, now: float) -> None:
        """Take a live picture: a line of JSON, and the image."""
        self._note(now)
        line, _, content = payload.partition(b"\n")
        head = Payload.of(line).value
        if not content or not isinstance(head, dict):
            return
        live = Live(content, head, now)
        envelope = self._frames.get(live.identity)
        if envelope is not None:
            live.marks = envelope[0]
        self.live[self._place_of(live.source)] = live
        if len(self.live) > MOST_SOURCES:
            self.live.popitem(last=False)

    def add_sample(self, message: Any, now: float) -> None:
        """Take a message that follows the upload of a sample."""
        self._note(now)
        uri, metadata = message.get("source-ref"), object_of(message, "metadata")
        if not isinstance(uri, str) or not uri.startswith("s3://"):
            return
        sample = next((one for one in self.samples if one.uri == uri), None)
        captured = metadata.get("captured-at")
        identity = identity_of(metadata.get("frame"), captured)
        if sample is None and identity:  # each strategy may keep a frame at a place of its own
            sample = next((one for one in self.samples if one.identity == identity), None)
        if sample is None:
            sample = Sample(uri, identity, now)
            sample.frame, sample.captured = shown(metadata.get("frame")), shown(captured)
            sample.late = seconds_since(captured)
            self.samples.append(sample)
            self._join(sample)
        config_id = shown(message.get("config-id"))
        if config_id in sample.reasons or len(sample.reasons) < MOST_REASONS:
            sample.reasons[config_id] = shown(
                reason(self.configurations, config_id, message.get("model-prediction"))
            )
        self._show(sample)

    def describe(self, uri: str, about: Described) -> None:
        """Take the metadata of a sample: it has boxes also where no envelope says them."""
        for sample in {*self.samples, *self.latest.values()}:
            if sample.uri != uri:
                continue
            for one in about.reasons:
                text = strategy_text(one.strategy, one.value, one.limit)
                sample.reasons[one.config_id] = shown(f"{one.config_id}: {text}")
            if sample.marks is None:  # an envelope has more: keypoints, and all predictions
                sample.marks = about.marks
                sample.source = end_of(about.source)
                self._show(sample)

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the page's state of this core."""
        rows = [{**row, "age": round(now - row["age"], 1)} for row in self._rows]
        telemetry = {**self._telemetry, "age": round(now - self._telemetry_at, 1)}
        return {
            "name": self.name,
            "configuration": self.configuration,
            "age": round(now - self.last, 1),
            "silentAfter": silent_after(self._gaps),
            "count": self.count,
            "perSecond": round(self._rate(now), 2),
            "rows": rows[::-1],
            "telemetry": telemetry if self._telemetry else None,
            "series": {
                name: points for name, one in self._series.items() if (points := one.points(now))
            },
            "live": [{"place": place, **one.to_json(now)} for place, one in self.live.items()],
            "latest": [{"place": place, **one.to_json(now)} for place, one in self.latest.items()],
            "samples": [sample.to_json(now) for sample in reversed(self.samples)],
        }

    def _rate(self, now: float) -> float:
        """Return messages per second in the last ten, or in less if there were too many to keep."""
        recent = [moment for moment in self._arrivals if now - moment <= _RATE_SECONDS]
        seconds = now - recent[0] if len(recent) == self._arrivals.maxlen else _RATE_SECONDS
        return len(recent) / max(seconds, 0.1)

    def _join(self, sample: Sample) -> None:
        """Take boxes and source from the envelope about the same frame."""
        found = self._frames.get(sample.identity)
        if found is not None:
            sample.marks, sample.source = found
            self._show(sample)

    def _show(self, sample: Sample) -> None:
        """Make it the latest of its source: a camera, or all files of a folder."""
        source = self._place_of(sample.source)
        for place in [place for place, one in self.latest.items() if one is sample]:
            if place != source:  # where it was before its source was known
                del self.latest[place]
        present = self.latest.get(source)
        if present is None or present.id <= sample.id:
            self.latest[source] = sample
        if len(self.latest) > MOST_SOURCES:
            self.latest.popitem(last=False)

    def _use_sources(self, names: Sequence[str]) -> None:
        """Take the names of the core's sources, and show each picture in the place of its own."""
        if names == self._source_names:
            return
        self._source_names = names
        self._move_pictures(self.live)
        self._move_pictures(self.latest)

    def _move_pictures(self, pictures: OrderedDict[str, AnyFrame]) -> None:
        """Let the newest picture of each source stay, but none of a camera that is gone."""
        known = {"", *self._source_names}
        found = [one for place, one in pictures.items() if place in known]
        pictures.clear()
        for one in sorted(found, key=lambda one: one.id):
            pictures[self._place_of(one.source)] = one

    def _place_of(self, source: str) -> str:
        """Return the camera that a picture is of; all files of a folder are one source."""
        is_camera = len(self._source_names) > 1 and source in self._source_names
        return source if is_camera else ""

    def _note_configuration(self, message: Any) -> None:
        digest = message.get("configuration") if isinstance(message, dict) else None
        if isinstance(digest, str):
            self.configuration = shown(digest)

    def _note(self, now: float) -> None:
        if self.last:
            self._gaps.append(now - self.last)
        self.last = now

    def _point(self, name: str, now: float, value: float) -> None:
        self._series.setdefault(name, Series()).add(now, value)
