"""What the component does when broker, bucket, model and nucleus go, and when it is killed."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from inference.names import FEEDBACK_STATUS_TOPIC, prediction_topic, telemetry_topic
from models import store
from tests.component.conftest import COMPONENT, CORE, FEEDBACK, MODEL, Rig
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def frame_ids(rig: Rig) -> list[int]:
    return [payload["frame"]["id"] for payload in rig.predictions()]


def test_no_message_is_lost_while_the_broker_is_away(rig: Rig) -> None:
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(3)
    rig.broker.away = True
    rig.await_no_broker()
    rig.broker.away = False
    returned = time.monotonic()
    rig.await_predictions(5)
    assert time.monotonic() - returned < 15
    assert rig.stop() == 0
    ids = frame_ids(rig)
    assert ids == list(range(1, len(ids) + 1))
    reports = rig.broker.on(telemetry_topic(CORE))
    assert any("no broker" in fault for report in reports for fault in report["health"]["faults"])
    assert reports[-1]["publish"]["dropped"] == 0


def test_a_bucket_that_is_away_is_named_and_no_sample_is_lost_or_doubled(rig: Rig) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    rig.start()
    eventually(lambda: len(rig.samples()) >= 2, seconds=20)
    rig.cloud.stop_part("s3")
    try:
        eventually(lambda: rig.faults() == ["no bucket"], seconds=10)
    finally:
        rig.cloud.start_part("s3")
    eventually(lambda: rig.faults() == [], seconds=15)
    assert rig.stop() == 0
    statuses = rig.broker.on(FEEDBACK_STATUS_TOPIC)
    keys = [status["response"]["s3_response"]["key"] for status in statuses]
    assert len(keys) == len(set(keys)) == len(set(rig.samples()))
    assert len(keys) == len(rig.predictions())


def test_samples_of_a_bucket_that_was_deleted_go_to_the_next_one(rig: Rig) -> None:
    s3 = rig.cloud.client("s3")
    for name in ("deleted", "next"):
        s3.create_bucket(Bucket=name)
    rig.configure(feedbackConfiguration=_into("deleted"))
    rig.start()
    eventually(lambda: _keys(rig, "deleted"))
    _delete(rig, "deleted")
    eventually(lambda: rig.faults() == ["no bucket"], seconds=20)
    rig.await_predictions(20)
    rig.merge(feedbackConfiguration=_into("next"))
    eventually(lambda: rig.faults() == [], seconds=30)
    assert rig.stop() == 0
    statuses = [one["response"] for one in rig.broker.on(FEEDBACK_STATUS_TOPIC)]
    assert {one["status"] for one in statuses} == {"success"}
    assert len(statuses) == len(rig.predictions())
    places = [one["s3_response"] for one in statuses]
    assert {one["key"] for one in places if one["bucket"] == "next"} == set(_keys(rig, "next"))


def _into(bucket: str) -> str:
    return json.dumps({"all": {**FEEDBACK["all"], "s3-bucket-name": bucket}})


def _keys(rig: Rig, bucket: str) -> list[str]:
    pages = rig.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def _delete(rig: Rig, bucket: str) -> None:
    s3 = rig.cloud.client("s3")

    def is_deleted() -> bool:
        for key in _keys(rig, bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        try:
            s3.delete_bucket(Bucket=bucket)
        except s3.exceptions.ClientError:  # the component has put another one
            return False
        return True

    eventually(is_deleted)


def test_kill_9_loses_at_most_the_frame_in_work(rig: Rig) -> None:
    # A sample is written beside the next frames: a busy disk takes longer than 0.05 s for it.
    rig.configure(feedbackConfiguration=FEEDBACK, inferenceInterval=0.5)
    rig.cloud.stop_part("s3")
    try:
        for _ in range(3):
            rig.start()
            rig.await_predictions(3)
            rig.stop(signal.SIGKILL)
    finally:
        rig.cloud.start_part("s3")
    waiting = len(list((rig.work / "samples").glob("*.sample")))
    assert waiting >= len(rig.predictions()) - 3
    rig.start()
    eventually(lambda: not list((rig.work / "samples").glob("*.sample")), seconds=20)
    rig.configure(feedbackConfiguration=None)
    rig.stop()
    assert len(rig.samples()) >= waiting


def test_kill_9_loses_no_message_that_waits_for_the_broker(rig: Rig) -> None:
    rig.configure(inferenceInterval=0.2, messageFormat="envelope")
    rig.start()
    rig.await_predictions(1)
    rig.broker.away = True
    eventually(lambda: len(rig.unsent(prediction_topic(CORE))) >= 5)
    rig.stop(signal.SIGKILL)
    before = len(rig.predictions())
    kept = rig.unsent(prediction_topic(CORE))
    assert len(kept) >= 5
    rig.broker.away = False
    rig.start()
    rig.await_predictions(len(kept) + 1)
    assert rig.predictions()[before : before + len(kept)] == kept


def test_sigterm_ends_with_status_zero_and_in_time_even_with_everything_away(rig: Rig) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    rig.start()
    rig.await_predictions(2)
    rig.cloud.stop_part("s3")
    rig.broker.away = True
    try:
        rig.await_no_broker()
        began = time.monotonic()
        assert rig.stop() == 0
        assert time.monotonic() - began < 10
    finally:
        rig.cloud.start_part("s3")


def test_an_unusable_model_is_reported_and_ends_the_process(rig: Rig, tmp_path: Path) -> None:
    rig.model = Path(shutil.copytree(store.unpacked(MODEL), tmp_path / "broken"))
    (rig.model / "compiled.so").write_bytes(b"not a library")
    rig.start()
    assert rig.process is not None
    assert rig.process.wait(timeout=20) == 1
    rig.process = None
    assert rig.faults() == ["no model"]
    assert rig.states() == ["ERRORED"]
    lines = [line for line in rig.log.read_text().splitlines() if line.startswith("ERROR")]
    assert len(lines) == 1
    assert "compiled.so: is truncated or changed" in lines[0]
    assert "Traceback" not in rig.log.read_text()


def test_a_nucleus_that_closes_the_connection_is_connected_to_again(rig: Rig) -> None:
    rig.start()
    rig.await_predictions(2)
    rig.bench.server.disconnect_all()
    rig.await_predictions(3)
    rig.merge(confidenceThreshold=0.0, topK=2)
    eventually(lambda: len(rig.predictions()[-1]) == 2)


def test_a_nucleus_that_forgot_the_token_ends_the_component_and_nothing_is_lost(rig: Rig) -> None:
    rig.configure(inferenceInterval=0.5, messageFormat="envelope")
    rig.start()
    rig.await_predictions(2)
    assert rig.process is not None
    rig.bench.server.register(COMPONENT)
    rig.bench.server.disconnect_all()
    assert rig.process.wait(timeout=60) == 1
    lines = [line for line in rig.log.read_text().splitlines() if line.startswith("ERROR")]
    assert len(lines) == 1
    assert "run failed: the nucleus refuses the token of this process" in lines[0]
    before = len(rig.predictions())
    rig.start()
    eventually(lambda: 1 in frame_ids(rig)[before:])  # behind what the first run left unsent
    assert rig.stop() == 0
    ids = frame_ids(rig)
    first_run = ids[: ids.index(1, before)]
    assert first_run == list(range(1, len(first_run) + 1))
    assert len(first_run) >= before + 10
