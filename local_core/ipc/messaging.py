"""Operations that publish and subscribe: with the cloud, and between components.

Rules: https://docs.aws.amazon.com/greengrass/v2/developerguide/ipc-iot-core-mqtt.html and
https://docs.aws.amazon.com/greengrass/v2/developerguide/ipc-publish-subscribe.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from .authorization import MQTT_PROXY, PUBSUB, Authorizer
from .dialect import InFlight
from .errors import InvalidArgumentsError, ServiceError
from .operations import Call, Operation
from .router import CloudRouter, LocalTopics
from .stream import Body
from .topics import has_wildcard, is_filter
from .unacknowledged import UnacknowledgedRouter

_RECEIVE_MODES = {"RECEIVE_ALL_MESSAGES": False, "RECEIVE_MESSAGES_FROM_OTHERS": True}
_MESSAGE_KINDS = ("jsonMessage", "binaryMessage")


class CloudMessaging:
    """PublishToIoTCore and SubscribeToIoTCore."""

    def __init__(
        self, router: CloudRouter, authorizer: Authorizer, in_flight: InFlight | None = None
    ) -> None:
        self._router = router if in_flight is None else UnacknowledgedRouter(router, in_flight)
        self._authorizer = authorizer

    def operations(self) -> Mapping[str, Operation]:
        """Return both operations."""
        return {
            "PublishToIoTCore": Operation(self._publish),
            "SubscribeToIoTCore": Operation(self._subscribe, subscribes=True),
        }

    def _publish(self, call: Call) -> Body:
        topic = _topic(call, "topicName")
        payload, qos = call.request.blob("payload"), call.request.qos()
        self._authorizer.check(call.component, MQTT_PROXY, "PublishToIoTCore", topic)
        try:
            self._router.publish_to_cloud(call.component, topic, qos, payload)
        except ConnectionError as error:
            raise ServiceError(f"Publish to topic {topic} failed with error {error}") from error
        return {}

    def _subscribe(self, call: Call) -> Body:
        topic_filter, qos = _filter(call, "topicName"), call.request.qos()
        self._authorizer.check(call.component, MQTT_PROXY, "SubscribeToIoTCore", topic_filter)

        def deliver(topic: str, payload: bytes) -> None:
            message = {"topicName": topic, "payload": base64.b64encode(payload).decode()}
            call.events.send("IoTCoreMessage", {"message": message})

        try:
            unsubscribe = self._router.subscribe_to_cloud(topic_filter, qos, deliver)
        except ConnectionError as error:
            raise ServiceError(
                f"Subscribe to topic {topic_filter} failed with error {error}"
            ) from error
        call.events.on_close(unsubscribe)
        return {}


class LocalMessaging:
    """PublishToTopic and SubscribeToTopic."""

    def __init__(self, topics: LocalTopics, authorizer: Authorizer) -> None:
        self._topics = topics
        self._authorizer = authorizer

    def operations(self) -> Mapping[str, Operation]:
        """Return both operations."""
        return {
            "PublishToTopic": Operation(self._publish),
            "SubscribeToTopic": Operation(self._subscribe, subscribes=True),
        }

    def _publish(self, call: Call) -> Body:
        topic = _topic(call, "topic")
        message = call.request.mapping("publishMessage")
        kinds = [kind for kind in _MESSAGE_KINDS if message.get(kind) is not None]
        if len(kinds) != 1 or not isinstance(message[kinds[0]], dict):
            raise InvalidArgumentsError("publishMessage must hold one JSON or one binary message")
        self._authorizer.check(call.component, PUBSUB, "PublishToTopic", topic)
        content = message[kinds[0]].get("message")
        self._topics.publish(
            call.component, topic, {kinds[0]: {"message": content, "context": {"topic": topic}}}
        )
        return {}

    def _subscribe(self, call: Call) -> Body:
        topic_filter = _filter(call, "topic")
        mode = call.request.optional_text("receiveMode")
        if mode is not None and mode not in _RECEIVE_MODES:
            raise InvalidArgumentsError("receiveMode must be one of " + ", ".join(_RECEIVE_MODES))
        self._authorizer.check(call.component, PUBSUB, "SubscribeToTopic", topic_filter)
        # The documented default: a filter with a wildcard does not hear the component itself.
        others_only = _RECEIVE_MODES[mode] if mode else has_wildcard(topic_filter)
        unsubscribe = self._topics.subscribe(
            call.component,
            topic_filter,
            lambda message: call.events.send("SubscriptionResponseMessage", message),
            from_others_only=others_only,
        )
        call.events.on_close(unsubscribe)
        return {"topicName": topic_filter}


def _topic(call: Call, field: str) -> str:
    topic = call.request.text(field)
    if has_wildcard(topic):
        raise InvalidArgumentsError(f"Cannot publish to {topic}: a topic has no wildcards")
    return topic


def _filter(call: Call, field: str) -> str:
    topic_filter = call.request.text(field)
    if not is_filter(topic_filter):
        raise InvalidArgumentsError(f"{topic_filter} is not a topic filter")
    return topic_filter
