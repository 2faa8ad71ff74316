"""Publishing as nucleus lite does: the component does not wait for the cloud's acknowledgement."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from .dialect import InFlight
from .router import CloudRouter, Deliver, Unsubscribe

_SENT_SECONDS = 0.2
"""How long a publish may take to fail; one that takes longer waits for its acknowledgement."""


class UnacknowledgedRouter:
    """Lets ``most`` messages wait for their acknowledgement; a further one is refused."""

    def __init__(self, router: CloudRouter, most: InFlight) -> None:
        self._router = router
        self._most = most
        self._lock = threading.Lock()
        self._messages = self._bytes = 0

    def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
        """Send a message; return when it was sent.

        Raises:
            ConnectionError: if it cannot be sent, or too much waits for its acknowledgement.
        """
        self._reserve(len(payload))
        sent: Future[None] = Future()

        def send() -> None:
            try:
                self._router.publish_to_cloud(component, topic, qos, payload)
            except ConnectionError as error:
                sent.set_exception(error)
            else:
                sent.set_result(None)
            finally:
                self._release(len(payload))

        threading.Thread(target=send, name="publish", daemon=True).start()
        try:
            sent.result(_SENT_SECONDS)
        except FutureTimeoutError:
            return

    def subscribe_to_cloud(self, topic_filter: str, qos: int, deliver: Deliver) -> Unsubscribe:
        """Call ``deliver`` for each message that matches; return how to end that."""
        return self._router.subscribe_to_cloud(topic_filter, qos, deliver)

    def _reserve(self, size: int) -> None:
        with self._lock:
            if (
                self._messages >= self._most.messages
                or self._bytes + size > self._most.payload_bytes
            ):
                raise ConnectionError(
                    f"MQTTPublishStoreFailed: {self._messages} messages of {self._bytes} bytes "
                    "wait for their acknowledgement"
                )
            self._messages += 1
            self._bytes += size

    def _release(self, size: int) -> None:
        with self._lock:
            self._messages -= 1
            self._bytes -= size
