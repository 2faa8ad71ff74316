"""Telemetry continues whatever is reported to it."""

from __future__ import annotations

import json
import queue

import pytest

from inference.outgoing.telemetry import HealthFault, Report, Telemetry, TelemetryThread


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
