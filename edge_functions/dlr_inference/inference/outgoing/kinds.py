"""Kinds of messages, by how much the loss of one matters."""

from __future__ import annotations

from ..names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC, telemetry_topic

STATUS = "status"
TELEMETRY = "telemetry"
FEEDBACK = "feedback"
PREDICTIONS = "predictions"

KINDS = (STATUS, TELEMETRY, FEEDBACK, PREDICTIONS)
"""In the order in which they are dropped when there is no room: predictions last."""

_TELEMETRY_PREFIX = telemetry_topic("")


def kind_of(topic: str) -> str:
    """Return the kind of the messages on ``topic``; on a topic of no other kind, predictions."""
    if topic == FEEDBACK_STATUS_TOPIC:
        return STATUS
    if topic == FEEDBACK_PREDICTION_TOPIC:
        return FEEDBACK
    return TELEMETRY if topic.startswith(_TELEMETRY_PREFIX) else PREDICTIONS
