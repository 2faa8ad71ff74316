"""The connector's two messages, and the names of what it uploads.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html#ml-feedback-connector-data-output
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Mapping, Sequence, Union

from ..names import MAX_MESSAGE_BYTES
from ..pipeline.results import Message
from ..vision.scores import Scores

ModelPrediction = Union[Sequence[float], Mapping[str, Any]]

REQUEST_LIMIT_ERROR = "Queue.Full"
_MAX_ERROR_CHARACTERS = 1_000
_SCORE_DECIMALS = 6


def object_key(prefix: str, unique_id: str, file_ext: str) -> str:
    """Return ``<s3-prefix>/<UUID>.<file-ext>``, without the separator of an empty part."""
    name = f"{unique_id}.{file_ext}" if file_ext else unique_id
    return f"{prefix}/{name}" if prefix else name


def source_ref(bucket: str, key: str) -> str:
    """Return the URI by which a prediction message names its sample."""
    return f"s3://{bucket}/{key}"


def publish_timestamp(moment: datetime) -> str:
    """Return a date such as ``2019-07-11 00:12:48.816752``, in UTC without an offset."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(" ", "microseconds")


def prediction_message(
    *,
    source: str,
    prediction: ModelPrediction,
    config_id: str,
    metadata: Mapping[str, Any],
    published_at: datetime,
) -> bytes:
    """Return the message that follows an upload, on ``feedback/message/prediction``."""
    return _json(
        {
            "source-ref": source,
            "model-prediction": prediction,
            "config-id": config_id,
            "metadata": {**metadata, "publish-ts": publish_timestamp(published_at)},
        }
    )


def fitting_prediction_message(
    *,
    source: str,
    scores: Scores,
    config_id: str,
    metadata: Mapping[str, Any],
    published_at: datetime,
) -> Message:
    """Return the prediction message within the size limit, and how many scores it leaves out.

    ``model-prediction`` is the list if that fits, otherwise an object of the best labels that fit.
    Scores are rounded to six decimals.
    """

    def encode(prediction: ModelPrediction) -> bytes:
        return prediction_message(
            source=source,
            prediction=prediction,
            config_id=config_id,
            metadata=metadata,
            published_at=published_at,
        )

    values = [round(value, _SCORE_DECIMALS) for value in scores.values]
    payload = encode(values)
    if len(payload) <= MAX_MESSAGE_BYTES:
        return Message(payload)
    room = MAX_MESSAGE_BYTES - len(encode({}))
    best: dict[str, float] = {}
    for label, value in sorted(zip(scores.labels, values), key=lambda item: -item[1]):
        if label in best:
            continue
        room -= len(_json({label: value})) - (0 if best else 2)
        if room < 0:
            break
        best[label] = value
    return Message(encode(best), len(values) - len(best))


def success_status(request_id: str, bucket: str, key: str) -> bytes:
    """Return the status of a sample that was uploaded."""
    return _status(request_id, status="success", s3_response={"bucket": bucket, "key": key})


def dropped_status(request_id: str) -> bytes:
    """Return the status of a sample that its strategy did not choose."""
    return _status(request_id, status="sample_dropped_by_strategy")


def upload_failure_status(request_id: str, error: Exception) -> bytes:
    """Return the status of a sample that could not be uploaded; ``error`` names its class."""
    name = type(error).__name__
    message = (
        f"[RequestId: {request_id}] Failed to upload model input data due to exception. Model "
        f"prediction will not be published. Exception type: {name}, error: {error}"
    )
    return failure_status(request_id, name, message)


def request_limit_status(request_id: str, limit: int) -> bytes:
    """Return the status of a request that exceeded the limit."""
    message = f"Request limit has been reached (max request: {limit} ). Dropping request."
    return failure_status(request_id, REQUEST_LIMIT_ERROR, message)


def failure_status(request_id: str, error: str, message: str) -> bytes:
    """Return the status of a request that failed."""
    shown = message[:_MAX_ERROR_CHARACTERS]
    return _status(request_id, status="fail", error_message=shown, error=error)


def _status(request_id: str, **response: object) -> bytes:
    return _json({"response": response, "id": request_id})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
