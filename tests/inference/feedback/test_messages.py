"""The connector's two messages, as its documentation shows them, and the cap on their size."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from inference.feedback import messages
from inference.feedback.messages import fitting_prediction_message, object_key, prediction_message
from inference.names import MAX_MESSAGE_BYTES
from inference.vision.scores import Scores

MOMENT = datetime(2019, 7, 11, 0, 12, 48, 816752, timezone.utc)
ID = "4bf5aeb0-d1e4-4362-5bb4-87c05de78ba3"


def fitting(scores: Scores, **metadata: str) -> tuple[dict[str, Any], int]:
    message = fitting_prediction_message(
        source="s3://b/k.jpg",
        scores=scores,
        config_id="LC50",
        metadata=metadata,
        published_at=MOMENT,
    )
    assert len(message.payload) <= MAX_MESSAGE_BYTES
    return json.loads(message.payload), message.left_out


def classifier(size: int, label: str = "class {}") -> Scores:
    values = [1 / (1 + (i * 7) % size) for i in range(size)]
    return Scores.of_classifier(range(size), values, lambda i: label.format(i))


@pytest.mark.parametrize(
    ("prefix", "ext", "key"),
    [
        ("a/b", "jpg", f"a/b/{ID}.jpg"),
        ("", "jpg", f"{ID}.jpg"),
        ("a", "", f"a/{ID}"),
        ("", "", ID),
    ],
)
def test_object_key_is_prefix_uuid_and_extension(prefix: str, ext: str, key: str) -> None:
    assert object_key(prefix, ID, ext) == key


def test_prediction_message_is_the_documented_one() -> None:
    payload = prediction_message(
        source=messages.source_ref("data-us-west-2", "s3-key-prefix/UUID.file_ext"),
        prediction=[0.5, 0.2, 0.2, 0.1],
        config_id="ConfigID2",
        metadata={},
        published_at=MOMENT,
    )
    assert json.loads(payload) == {
        "source-ref": "s3://data-us-west-2/s3-key-prefix/UUID.file_ext",
        "model-prediction": [0.5, 0.2, 0.2, 0.1],
        "config-id": "ConfigID2",
        "metadata": {"publish-ts": "2019-07-11 00:12:48.816752"},
    }


def test_timestamp_is_utc_and_always_has_its_microseconds() -> None:
    east = timezone(timedelta(hours=2))
    assert messages.publish_timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=east)) == (
        "2026-01-02 01:04:05.000000"
    )


def test_metadata_is_passed_on_and_cannot_set_the_timestamp() -> None:
    got, _ = fitting(classifier(2), core="Toradex2", **{"publish-ts": "never"})
    assert got["metadata"] == {"core": "Toradex2", "publish-ts": "2019-07-11 00:12:48.816752"}


def test_prediction_is_a_list_while_that_fits() -> None:
    got, left_out = fitting(classifier(80))
    assert got["model-prediction"] == [round(v, 6) for v in classifier(80).values]
    assert left_out == 0


@pytest.mark.parametrize("label", ["class {}", "Größe {} " + "語" * 40])
def test_prediction_is_an_object_of_the_best_labels_that_fit_otherwise(label: str) -> None:
    scores = classifier(1001, label)
    got, left_out = fitting(scores)
    kept = got["model-prediction"]
    assert left_out == 1001 - len(kept) > 0
    assert (
        list(kept.values())
        == sorted((round(value, 6) for value in scores.values), reverse=True)[: len(kept)]
    )
    assert all(scores.values[scores.labels.index(name)] - kept[name] < 1e-6 for name in kept)


def test_as_many_labels_are_kept_as_fit() -> None:
    got, _ = fitting(classifier(1001, "{:04d}"))
    size = len(json.dumps(got).encode())
    assert MAX_MESSAGE_BYTES - len(', "0000": 0.123456') < size <= MAX_MESSAGE_BYTES


def test_status_of_an_uploaded_sample() -> None:
    assert json.loads(messages.success_status(ID, "bucket", "p/k.jpg")) == {
        "response": {"status": "success", "s3_response": {"bucket": "bucket", "key": "p/k.jpg"}},
        "id": ID,
    }


def test_status_of_a_dropped_sample_is_the_documented_one() -> None:
    assert json.loads(messages.dropped_status(ID)) == {
        "response": {"status": "sample_dropped_by_strategy"},
        "id": ID,
    }


def test_status_of_a_failed_upload_is_the_documented_one() -> None:
    class NoSuchBucket(Exception):
        pass

    error = NoSuchBucket(
        "An error occurred (NoSuchBucket) when calling the PutObject operation: "
        "The specified bucket does not exist"
    )
    assert json.loads(messages.upload_failure_status(ID, error)) == {
        "response": {
            "status": "fail",
            "error_message": f"[RequestId: {ID}] Failed to upload model input data due to "
            "exception. Model prediction will not be published. Exception type: NoSuchBucket, "
            "error: An error occurred (NoSuchBucket) when calling the PutObject operation: The "
            "specified bucket does not exist",
            "error": "NoSuchBucket",
        },
        "id": ID,
    }


def test_status_of_a_throttled_request_is_the_documented_one() -> None:
    assert json.loads(messages.request_limit_status(ID, 10)) == {
        "response": {
            "status": "fail",
            "error_message": "Request limit has been reached (max request: 10 ). Dropping request.",
            "error": "Queue.Full",
        },
        "id": ID,
    }


def test_status_stays_below_the_cap_whatever_the_error_says() -> None:
    payload = messages.upload_failure_status(ID, OSError("語" * 100_000))
    assert len(payload) <= MAX_MESSAGE_BYTES
