"""The MLFeedback stand-in: what it keeps, what it uploads, what it says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from inference.schema import ConfigurationError
from local_core.v1.invocations import Invocation, Result
from local_core.v1.logs import CoreLog
from local_core.v1.ml_feedback import MlFeedbackConnector
from tests.local_core_v1.support import NoSuchBucket, feedback_map, work
from tests.waiting import eventually

UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
CONFIGURATIONS = feedback_map(
    Random=("RANDOM_SAMPLING", 0.5), LC50=("LEAST_CONFIDENCE", 0.5), Entropy=("ENTROPY", 1.0)
)


class Bench:
    """A connector with its bucket and its messages; uploads wait while ``gate`` is closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.objects: dict[str, bytes] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.uploading = threading.Event()

    @contextmanager
    def connector(
        self, configurations: object = CONFIGURATIONS, limit: str = "", seed: int = 1
    ) -> Iterator[MlFeedbackConnector]:
        parameters = {"FeedbackConfigurationMap": json.dumps(configurations), "RequestLimit": limit}
        with MlFeedbackConnector(
            parameters,
            put_object=self.put_object,
            publish=lambda topic, payload: self.messages.append((topic, json.loads(payload))),
            random=Random(seed).random,
            log=CoreLog(self.folder / "MLFeedback.log"),
        ) as connector:
            yield connector

    def put_object(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        self.uploading.set()
        assert self.gate.wait(10)
        assert content_type == "image/jpeg"
        if bucket != "samples":
            raise NoSuchBucket("The specified bucket does not exist")
        self.objects[key] = body

    def statuses(self) -> dict[str, dict[str, Any]]:
        return {
            message["id"]: message["response"]
            for topic, message in self.messages
            if topic == "feedback/message/status"
        }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def request(
    config_id: str, *scores: float, sample: bytes = b"\xff\xd8jpeg", **more: Any
) -> Invocation:
    return work(sample, ConfigId=config_id, ModelPrediction=list(scores), **more)


def refusal(done: Invocation) -> str:
    result = done.done.result(0)
    assert result.error == "Handled"
    return str(json.loads(result.payload)["errorMessage"])


def test_chosen_sample_is_uploaded_and_both_messages_follow(bench: Bench) -> None:
    asked = request("LC50", 0.4, 0.3, Metadata={"core": "Toradex2"})
    with bench.connector() as connector:
        connector.accept(asked)
    assert asked.done.result(0) == Result(b"null")
    [(key, body)] = bench.objects.items()
    assert re.fullmatch(rf"lc50/{UUID}\.jpg", key)
    assert body == b"\xff\xd8jpeg"
    (first, prediction), (second, status) = bench.messages
    assert (first, second) == ("feedback/message/prediction", "feedback/message/status")
    timestamp = prediction["metadata"].pop("publish-ts")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", timestamp)
    assert prediction == {
        "source-ref": f"s3://samples/{key}",
        "model-prediction": [0.4, 0.3],
        "config-id": "LC50",
        "metadata": {"core": "Toradex2"},
    }
    assert status == {
        "response": {"status": "success", "s3_response": {"bucket": "samples", "key": key}},
        "id": asked.id,
    }


def test_sample_that_is_not_chosen_gives_its_status_alone(bench: Bench) -> None:
    asked = request("LC50", 0.51)
    with bench.connector() as connector:
        connector.accept(asked)
    assert bench.messages == [
        (
            "feedback/message/status",
            {"response": {"status": "sample_dropped_by_strategy"}, "id": asked.id},
        )
    ]
    assert not bench.objects
    assert connector.counters.not_used == 1


@pytest.mark.parametrize(
    ("strategy", "at", "beyond"),
    [("LEAST_CONFIDENCE", 0.5, 0.4999), ("MARGIN", 0.25, 0.2499), ("ENTROPY", 1.03972, 1.03973)],
)
def test_documented_examples_at_their_exact_thresholds(
    bench: Bench, strategy: str, at: float, beyond: float
) -> None:
    both = feedback_map(at=(strategy, at), beyond=(strategy, beyond))
    with bench.connector(both) as connector:
        connector.accept(request("at", 0.5, 0.25, 0.25))
        connector.accept(request("beyond", 0.5, 0.25, 0.25))
    [key] = bench.objects
    assert key.startswith("at/")


def test_random_sampling_keeps_what_its_seed_says(bench: Bench) -> None:
    asked = [request("Random", 1.0, sample=str(number).encode()) for number in range(40)]
    with bench.connector(seed=7) as connector:
        for one in asked:
            connector.accept(one)
    generator = Random(7)
    wanted = {str(number).encode() for number in range(40) if generator.random() < 0.5}
    assert set(bench.objects.values()) == wanted
    assert connector.counters.uploaded == len(wanted)


def test_without_a_strategy_everything_is_uploaded(bench: Bench) -> None:
    everything = {"All": {"s3-bucket-name": "samples", "content-type": "image/jpeg"}}
    with bench.connector(everything) as connector:
        connector.accept(work(b"x", ConfigId="All", ModelPrediction={"cat": 1.0}))
    [key] = bench.objects
    assert re.fullmatch(UUID, key)
    assert bench.messages[0][1]["model-prediction"] == {"cat": 1.0}


def test_failed_upload_is_reported_with_the_errors_class(bench: Bench) -> None:
    elsewhere = feedback_map(LC50=("LEAST_CONFIDENCE", 0.5))
    elsewhere["LC50"]["s3-bucket-name"] = "nowhere"
    asked = request("LC50", 0.1)
    with bench.connector(elsewhere) as connector:
        connector.accept(asked)
    status = bench.statuses()[asked.id]
    assert (status["status"], status["error"]) == ("fail", "NoSuchBucket")
    assert status["error_message"].startswith(f"[RequestId: {asked.id}] Failed to upload")
    assert len(bench.messages) == 1
    assert connector.counters.failed == 1


def test_requests_on_top_of_the_limit_are_dropped(bench: Bench) -> None:
    bench.gate.clear()
    asked = [request("LC50", 0.1) for _ in range(4)]
    with bench.connector(limit="2") as connector:
        for one in asked:
            connector.accept(one)
        assert "limit" in refusal(asked[2])
        assert "limit" in refusal(asked[3])
        bench.gate.set()
    statuses = bench.statuses()
    assert [statuses[one.id]["status"] for one in asked] == ["success", "success", "fail", "fail"]
    assert statuses[asked[3].id] == {
        "status": "fail",
        "error_message": "Request limit has been reached (max request: 2 ). Dropping request.",
        "error": "Queue.Full",
    }
    assert len(bench.objects) == 2


def test_request_that_was_taken_is_worked_off_when_the_core_stops(bench: Bench) -> None:
    bench.gate.clear()
    with bench.connector() as connector:
        connector.accept(request("LC50", 0.1))
        connector.accept(request("LC50", 0.1))
        assert bench.uploading.wait(5)
        bench.gate.set()
    assert len(bench.objects) == 2


@pytest.mark.parametrize(
    ("custom", "reason"),
    [
        ({}, "no configuration None"),
        ({"ConfigId": "lc50", "ModelPrediction": [0.5]}, "no configuration 'lc50'"),
        ({"ConfigId": "LC50"}, "must be a list or an object, and not empty"),
        ({"ConfigId": "LC50", "ModelPrediction": []}, "and not empty"),
        ({"ConfigId": "LC50", "ModelPrediction": "0.5"}, "must be a list or an object"),
        ({"ConfigId": "LC50", "ModelPrediction": [float("nan")]}, "finite numbers"),
        ({"ConfigId": "LC50", "ModelPrediction": [True]}, "finite numbers"),
        ({"ConfigId": "LC50", "ModelPrediction": [0.5], "Metadata": []}, ""),
        ({"ConfigId": "LC50", "ModelPrediction": [0.5], "Metadata": [1]}, "must be an object"),
    ],
)
def test_request_that_is_none_is_refused(bench: Bench, custom: dict[str, Any], reason: str) -> None:
    asked = work(b"x", **custom)
    with bench.connector() as connector:
        connector.accept(asked)
    if not reason:  # What is empty counts as left out.
        assert connector.counters.uploaded == 1
        return
    assert reason in refusal(asked)
    status = bench.statuses()[asked.id]
    assert (status["status"], status["error"]) == ("fail", "ValueError")
    assert connector.counters.invalid == 1
    assert not bench.objects


@pytest.mark.parametrize(
    ("configurations", "limit", "reason"),
    [
        ({}, "", "at least one"),
        ({"LC50": {"content-type": "a/b"}}, "", "s3-bucket-name=None: is required"),
        (CONFIGURATIONS, "1000", "RequestLimit='1000': must be a number from 0 to 999"),
    ],
)
def test_parameters_that_are_none_are_refused(
    bench: Bench, configurations: object, limit: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason), bench.connector(configurations, limit):
        pass


def test_message_that_cannot_be_published_does_not_end_the_connector(bench: Bench) -> None:
    asked = [request("LC50", 0.1), request("LC50", 0.1)]
    with bench.connector() as connector:
        bench.messages = None  # type: ignore[assignment]
        connector.accept(asked[0])
        eventually(lambda: len(bench.objects) == 1)
        eventually(lambda: "is lost" in (bench.folder / "MLFeedback.log").read_text())
        bench.messages = []
        connector.accept(asked[1])
    assert set(bench.statuses()) == {asked[1].id}
