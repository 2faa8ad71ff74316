"""The state of a core in numbers and words, for the people who are called about it."""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Mapping, Sequence

from ..memory import resident_bytes, return_freed_memory
from ..names import MAX_MESSAGE_BYTES, TELEMETRY_SECONDS
from ..pipeline.results import FrameResult, compact_json
from ..sources import Frame
from .recent import RecentCounts

SCHEMA_VERSION = "1.0"
WINDOW_FRAMES = 512
"""Percentiles are over this many of the last frames."""

_MAX_FAULT_CHARACTERS = 200
_TRIM_SECONDS = 3.0
"""How often the memory of a replaced model or a sent backlog is returned to the system."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HealthFault:
    """Something a core lacks at present: a short name, such as ``no camera``, and the reason.

    The reason may change as long as the fault lasts. What it is ``about``, such as one of several
    cameras, may not: that is another fault.
    """

    name: str
    reason: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"[:_MAX_FAULT_CHARACTERS]


@dataclass(frozen=True)
class Report:
    """What the parts of a core report about themselves at one moment."""

    faults: Sequence[HealthFault]
    frames: Mapping[str, int]
    publish: Mapping[str, Any]
    feedback: Mapping[str, int]
    sources: Sequence[Mapping[str, Any]] = ()


@dataclass
class _Window:
    """Frames since the last message, and latencies of the last frames by stage."""

    latencies: dict[str, deque[float]] = field(default_factory=dict)
    recent: RecentCounts = field(default_factory=RecentCounts)
    began: float = field(default_factory=time.monotonic)


class Telemetry:
    """A sink that times every frame, and combines that with the core's own report."""

    def __init__(
        self,
        *,
        core_name: str,
        model: Mapping[str, str],
        versions: Mapping[str, str],
        report: Callable[[], Report],
        configuration: str | None = None,
        component: str | None = None,
    ) -> None:
        """``report`` is called for each message; Python's version is added to ``versions``.

        ``configuration`` is the digest of the settings in use, if there are any. ``component`` is
        the name of the component of the second generation, by which a fleet knows its own cores.
        """
        self._core_name = core_name
        self._component = component
        self.model: Mapping[str, str] = model
        self.configuration = configuration
        self.versions: Mapping[str, str] = versions
        self._report = report
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._window = _Window()

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """Count ``frame`` and keep its latencies."""
        with self._lock:
            self._window.recent.add(result)
            for stage, milliseconds in result.latency_ms.items():
                window = self._window.latencies.setdefault(stage, deque(maxlen=WINDOW_FRAMES))
                window.append(milliseconds)

    def faults(self) -> Sequence[HealthFault]:
        """Return the core's present faults."""
        return self._report().faults

    def message(self) -> dict[str, Any]:
        """Return a telemetry message; its frames per second are since the last message."""
        report = self._report()
        with self._lock:
            window = self._window
            seconds = max(time.monotonic() - window.began, 1e-6)
            recent = window.recent.take(
                seconds=seconds,
                failed=report.frames.get("failed", 0),
                samples=report.feedback.get("uploaded", 0),
                dropped=report.publish.get("dropped", 0),
            )
            latencies = {stage: _percentiles(times) for stage, times in window.latencies.items()}
            window.began = time.monotonic()
        return {
            "schemaVersion": SCHEMA_VERSION,
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "core": self._core_name,
            "component": self._component,
            "intervalSeconds": TELEMETRY_SECONDS,
            "uptimeSeconds": round(time.monotonic() - self._started, 1),
            "health": {
                "status": "degraded" if report.faults else "ok",
                "faults": [str(fault) for fault in report.faults],
            },
            "frames": {**report.frames, "perSecond": round(recent["predicted"] / seconds, 3)},
            "recent": recent,
            "latencyMs": latencies,
            "memoryBytes": resident_bytes(),
            "publish": dict(report.publish),
            "feedback": dict(report.feedback),
            "sources": [dict(source) for source in report.sources],
            "model": dict(self.model),
            "configuration": self.configuration,
            "versions": {**self.versions, **_versions_around()},
        }

    def payload(self) -> bytes:
        """Return :meth:`message` encoded; if too long, without its sources, then its last faults.

        A message that the nucleus cannot take would hold up all others.
        """
        message = self.message()
        encoded = compact_json(message).encode()
        faults = message["health"]["faults"]
        while len(encoded) > MAX_MESSAGE_BYTES and (message["sources"] or faults):
            if message["sources"]:
                message["sources"] = []
            else:
                faults.pop()
            encoded = compact_json(message).encode()
        return encoded


class TelemetryThread:
    """Publishes telemetry every ``interval`` seconds, and at once when something changes.

    That is a fault that appears or clears, or another configuration: someone waits to see it.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        publish: Callable[[bytes], None],
        *,
        interval: float = TELEMETRY_SECONDS,
        look_every: float = 1.0,
    ) -> None:
        """Start the thread."""
        self._telemetry = telemetry
        self._publish = publish
        self._interval = interval
        self._look_every = look_every
        self._due = time.monotonic()
        self._trim_due = self._due
        self._known: frozenset[tuple[str, str]] = frozenset()
        self._configuration = telemetry.configuration
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Publish once more and stop."""
        self._stopping.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception:  # a part that fails to report must not stop the core
                _log.exception("telemetry failed")
            self._stopping.wait(self._look_every)
        self._publish(self._telemetry.payload())

    def _look(self) -> None:
        if time.monotonic() >= self._trim_due:
            self._trim_due = time.monotonic() + _TRIM_SECONDS
            return_freed_memory()
        faults = frozenset((fault.name, fault.about) for fault in self._telemetry.faults())
        configuration = self._telemetry.configuration
        is_changed = faults != self._known or configuration != self._configuration
        if is_changed or time.monotonic() >= self._due:
            self._known, self._configuration = faults, configuration
            self._due = time.monotonic() + self._interval
            return_freed_memory()
            self._publish(self._telemetry.payload())


def embedded_metrics(payload: bytes) -> str:
    """Return a log line in CloudWatch's embedded metric format for a telemetry message.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    message = json.loads(payload)
    inference = message["latencyMs"].get("inference", {})
    values = {
        "FramesPerSecond": (message["frames"]["perSecond"], "None"),
        "FramesPredicted": (message["frames"].get("predicted", 0), "Count"),
        "FramesFailed": (message["frames"].get("failed", 0), "Count"),
        "InferenceP95": (inference.get("p95", 0), "Milliseconds"),
        "ResidentMemory": (message["memoryBytes"], "Bytes"),
        "MessagesQueued": (message["publish"].get("queued", 0), "Count"),
        "Faults": (len(message["health"]["faults"]), "Count"),
    }
    metrics = [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()]
    directive = {"Namespace": "MliGreengrass", "Dimensions": [["core"]], "Metrics": metrics}
    record: dict[str, Any] = {
        "_aws": {"Timestamp": int(time.time() * 1e3), "CloudWatchMetrics": [directive]},
        "core": message["core"],
    }
    record.update({name: value for name, (value, _) in values.items()})
    return compact_json(record)


def _versions_around() -> dict[str, str]:
    """Return the versions of Python and of the nucleus, which every nucleus puts there.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/component-environment-variables.html
    """
    nucleus = os.environ.get("GGC_VERSION")
    return {"python": platform.python_version(), **({"nucleus": nucleus} if nucleus else {})}


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile in milliseconds, by the nearest-rank method."""
    ordered = sorted(times)
    ranks = {"p50": 0.50, "p95": 0.95}
    last = len(ordered) - 1
    return {
        name: round(ordered[min(last, int(rank * len(ordered)))], 3)
        for name, rank in ranks.items()
        if ordered
    }
