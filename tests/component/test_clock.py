"""A clock that jumps, as it does when a device without a battery first hears from a time server."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from inference.outgoing.telemetry import Report, Telemetry
from inference.pipeline.pipeline import Pipeline, Sink, Stages
from inference.pipeline.results import EnvelopeEncoder
from inference.pipeline.sinks import PredictionSink
from inference.serving import publisher as publisher_module
from inference.serving.publisher import Publisher
from inference.sources import FileSource
from inference.sources.status import CONNECTING, SourceStatus
from tests.inference.test_pipeline import NAME, SETTINGS, loaded, pipeline

pytestmark = pytest.mark.slow


def test_intervals_and_counters_do_not_follow_a_clock_that_jumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wall time goes back a day and on by ten years, frame by frame; pacing stays as it was."""
    jumps = iter([0.0, -86_400.0, 10 * 365 * 86_400.0, 0.0] * 10)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: max(0.0, real() + next(jumps, 0.0)))
    payloads: list[bytes] = []
    run: Pipeline = pipeline([], FileSource("static", repeat=True), interval=0.05)
    encode = EnvelopeEncoder(
        core_name="c", model_name="m", model_sha256="0", configuration="0" * 12
    )
    stages: Stages = run.stages
    more: list[Sink] = [*stages.sinks, PredictionSink(encode, payloads.append)]
    run.change(replace(stages, sinks=more))
    began = time.monotonic()
    run.run(frames=8)
    assert 0.35 <= time.monotonic() - began < 5
    assert (run.counters.read, run.counters.predicted) == (8, 8)
    assert [json.loads(payload)["frame"]["id"] for payload in payloads] == list(range(1, 9))


def test_uptime_and_rate_do_not_follow_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry(
        core_name="c", model={}, versions={}, report=lambda: Report([], {}, {}, {})
    )
    monkeypatch.setattr(time, "time", lambda: 0.0)
    message = telemetry.message()
    assert 0 <= message["uptimeSeconds"] < 60
    assert message["frames"]["perSecond"] == 0


def test_a_camera_that_does_not_open_is_named_though_the_clock_goes_back_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher_module, "OPENING_SECONDS", 0.2)
    status = SourceStatus("camera:0", CONNECTING, since=time.time() + 86_400.0)
    publisher = Publisher(
        SETTINGS,
        loaded(NAME),
        lambda topic, payload: None,
        component_version="1.0.0",
        sources=lambda: [status],
    )
    assert publisher.telemetry.faults() == []
    time.sleep(0.3)
    assert [str(fault) for fault in publisher.telemetry.faults()] == [
        "no camera: camera:0: it does not open"
    ]
    publisher.outbox.close(1)
