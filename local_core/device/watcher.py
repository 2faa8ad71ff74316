"""An independent subscriber to the cores' messages, with its own certificate and connection."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .mqtt import MqttConnection, tls_context
from .setup import Address, Certificate, create_certificate

NAME = "watcher"
TOPICS = ("mli/#", "feedback/#")
_CONNECT_SECONDS = 15.0


@dataclass(frozen=True)
class Received:
    """A message, with the time of its arrival (``time.monotonic``)."""

    at: float
    topic: str
    payload: bytes


class Watcher:
    """A context in which messages of all cores arrive, through the broker only.

    ``iot`` is a client of AWS IoT, which creates the certificate and its policy.
    """

    def __init__(
        self,
        iot: Any,
        *,
        broker: Address,
        root_ca: Path,
        folder: Path,
        on_message: Callable[[Received], None] = lambda message: None,
        topics: Sequence[str] = TOPICS,
        name: str = NAME,
    ) -> None:
        self.certificate: Certificate = create_certificate(iot, folder, root_ca)
        self.broker = broker
        self.messages: list[Received] = []
        _allow(iot, name, self.certificate.arn)
        tls = tls_context(self.certificate)
        self.connection = MqttConnection(broker, name, tls)
        self._topics = topics
        self._keeps = True
        self._on_message = on_message
        self._lock = threading.Lock()
        self._open = ExitStack()

    def __enter__(self) -> Watcher:
        with ExitStack() as opened:
            opened.enter_context(self.connection)
            if not self.connection.wait_until_connected(_CONNECT_SECONDS):
                raise ConnectionError(f"the watcher is not connected: {self.connection.fault}")
            for topic in self._topics:
                self.connection.subscribe_to_cloud(topic, 1, self._receive)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def on(self, topic: str) -> list[Received]:
        """Return the messages that have arrived on a topic so far."""
        with self._lock:
            return [message for message in self.messages if message.topic == topic]

    def stop_keeping(self) -> None:
        """Forget all messages, and those that come from now on."""
        with self._lock:
            self._keeps = False
            self.messages.clear()

    def _receive(self, topic: str, payload: bytes) -> None:
        message = Received(time.monotonic(), topic, payload)
        with self._lock:
            if self._keeps:
                self.messages.append(message)
        self._on_message(message)


def _allow(iot: Any, name: str, certificate_arn: str) -> None:
    """Let the certificate connect under names with this prefix and subscribe, but not publish."""
    region, account = certificate_arn.split(":")[3:5]
    arn = f"arn:aws:iot:{region}:{account}"
    actions = {
        "iot:Connect": f"{arn}:client/{name}*",
        "iot:Subscribe": f"{arn}:topicfilter/*",
        "iot:Receive": f"{arn}:topic/*",
    }
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in actions.items()
    ]
    policy = f"{name}-{certificate_arn.rsplit('/', 1)[-1][:8]}"
    document = {"Version": "2012-10-17", "Statement": statements}
    iot.create_policy(policyName=policy, policyDocument=json.dumps(document))
    iot.attach_policy(policyName=policy, target=certificate_arn)
