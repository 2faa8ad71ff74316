"""Where messages go: the way to the cloud, and topics between the components of one core."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .topics import filter_matches

Deliver = Callable[[str, bytes], None]
"""Called with the topic and the payload of a message from the cloud."""
Unsubscribe = Callable[[], None]
LocalMessage = Mapping[str, Any]
"""A message between components, as it goes over the socket."""


class CloudRouter(Protocol):
    """The core's connection to AWS IoT Core, or what stands for it.

    Either method raises ``ConnectionError`` when it cannot; the component then gets ServiceError.
    """

    def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
        """Send one message that ``component`` published."""

    def subscribe_to_cloud(self, topic_filter: str, qos: int, deliver: Deliver) -> Unsubscribe:
        """Call ``deliver`` for each message that matches; return how to end that."""


@dataclass(frozen=True)
class _LocalSubscription:
    component: str
    topic_filter: str
    from_others_only: bool
    deliver: Callable[[LocalMessage], None]


class LocalTopics:
    """Publish and subscribe between the components of one core."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: dict[object, _LocalSubscription] = {}

    def publish(self, component: str, topic: str, message: LocalMessage) -> None:
        """Deliver ``message`` from ``component`` to every subscription that wants it."""
        with self._lock:
            subscriptions = list(self._subscriptions.values())
        for subscription in subscriptions:
            own = subscription.component == component
            if own and subscription.from_others_only:
                continue
            if filter_matches(subscription.topic_filter, topic):
                subscription.deliver(message)

    def subscribe(
        self,
        component: str,
        topic_filter: str,
        deliver: Callable[[LocalMessage], None],
        *,
        from_others_only: bool,
    ) -> Unsubscribe:
        """Call ``deliver`` for each message that matches; return how to end that."""
        key = object()
        with self._lock:
            self._subscriptions[key] = _LocalSubscription(
                component, topic_filter, from_others_only, deliver
            )

        def unsubscribe() -> None:
            with self._lock:
                self._subscriptions.pop(key, None)

        return unsubscribe
