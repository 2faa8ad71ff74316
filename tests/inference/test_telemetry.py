"""Telemetry continues whatever is reported to it."""

from __future__ import annotations

import json
import queue
import time

import pytest

from inference.names import MAX_MESSAGE_BYTES
from inference.outgoing.recent import RecentCounts
from inference.outgoing.telemetry import HealthFault, Report, Telemetry, TelemetryThread
from inference.pipeline.results import FrameResult
from inference.vision.postprocess import Prediction


def test_a_part_that_fails_to_report_does_not_end_telemetry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [RuntimeError("a driver's own")]
    published: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def report() -> Report:
        if failures:
            raise failures.pop()
        return Report([HealthFault("no camera", "it is gone")], {}, {}, {})

    telemetry = Telemetry(core_name="c", model={}, versions={}, report=report)
    thread = TelemetryThread(telemetry, published.put, look_every=0.02)
    message = json.loads(published.get(timeout=5))
    thread.close()
    assert message["health"] == {"status": "degraded", "faults": ["no camera: it is gone"]}
    assert "a driver's own" in caplog.text


def test_a_message_of_many_faults_is_never_too_long() -> None:
    """A nucleus that cannot take it would close the connection, whenever it is sent again."""
    names = [f"/画像/倉庫{number}/{'入口' * 100}" for number in range(16)]
    faults = [HealthFault("no camera", name) for name in names]
    sources = [{"name": name, "state": "lost"} for name in names]
    report = Report(faults, {}, {}, {}, sources)
    payload = Telemetry(core_name="c", model={}, versions={}, report=lambda: report).payload()
    message = json.loads(payload)
    assert MAX_MESSAGE_BYTES - 700 < len(payload) <= MAX_MESSAGE_BYTES
    assert message["sources"] == []
    assert message["health"]["status"] == "degraded"
    assert message["health"]["faults"][0].startswith("no camera: /画像/倉庫0/入口")


def result(*scores: float) -> FrameResult:
    predictions = [Prediction(label="cat", score=score, box=None) for score in scores]
    return FrameResult(
        frame_id=1,
        source="s",
        width=1,
        height=1,
        captured_at=0.0,
        predictions=predictions,
        latency_ms={},
        scores=lambda: pytest.fail("nobody asked"),
    )


def test_recent_numbers_add_up_over_messages() -> None:
    counts = RecentCounts()
    for one in (result(0.9, 0.2), result(), result(0.5)):
        counts.add(one)
    assert counts.take(seconds=60.04, failed=2, samples=5, dropped=1) == {
        "seconds": 60.0,
        "predicted": 3,
        "failed": 2,
        "samples": 5,
        "dropped": 1,
        "confidence": 0.7,
    }
    counts.add(result())
    assert counts.take(seconds=60.0, failed=3, samples=5, dropped=1) == {
        "seconds": 60.0,
        "predicted": 1,
        "failed": 1,
        "samples": 0,
        "dropped": 0,
    }


def test_telemetry_has_the_recent_numbers() -> None:
    telemetry = Telemetry(
        core_name="c",
        model={},
        versions={},
        report=lambda: Report([], {"failed": 1}, {"dropped": 4}, {"uploaded": 2}),
    )
    recent = telemetry.message()["recent"]
    assert recent == {
        "seconds": recent["seconds"],
        "predicted": 0,
        "failed": 1,
        "samples": 2,
        "dropped": 4,
    }
    assert telemetry.message()["recent"]["dropped"] == 0


def test_another_configuration_is_reported_at_once() -> None:
    """Someone who changed it waits to see that the core uses it."""
    published: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    telemetry = Telemetry(
        core_name="c",
        model={},
        versions={},
        report=lambda: Report([], {}, {}, {}),
        configuration="a" * 12,
    )
    thread = TelemetryThread(telemetry, published.put, look_every=0.02)
    assert json.loads(published.get(timeout=5))["configuration"] == "a" * 12
    telemetry.configuration = "b" * 12
    assert json.loads(published.get(timeout=5))["configuration"] == "b" * 12
    thread.close()
    published.get(timeout=5)
    assert published.empty(), "only the last message followed"


def test_another_fault_of_the_same_name_is_reported_at_once() -> None:
    """Someone who has corrected one value waits to see what is still refused."""
    faults = [HealthFault("no camera", "a: it ended", about="a")]
    published: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    telemetry = Telemetry(
        core_name="c", model={}, versions={}, report=lambda: Report(list(faults), {}, {}, {})
    )
    thread = TelemetryThread(telemetry, published.put, look_every=0.02)
    assert json.loads(published.get(timeout=5))["health"]["faults"] == ["no camera: a: it ended"]
    faults[0] = HealthFault("no camera", "a: refused", about="a")
    time.sleep(0.2)
    assert published.empty(), "each attempt may have another reason"
    faults.append(HealthFault("no camera", "b: it ended", about="b"))
    assert len(json.loads(published.get(timeout=5))["health"]["faults"]) == 2
    thread.close()
