"""What several tests of the local core need: a policy, an IPC server, clients that get closed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from awsiot.eventstreamrpc import LifecycleHandler
from awsiot.greengrasscoreipc import connect
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from local_core.ipc.authorization import Authorizer
from local_core.ipc.component_services import ConfigurationService, StateService
from local_core.ipc.configuration import ConfigurationStore
from local_core.ipc.dialect import CLASSIC, Dialect
from local_core.ipc.messaging import CloudMessaging, LocalMessaging
from local_core.ipc.operations import all_operations
from local_core.ipc.router import CloudRouter, Deliver, LocalTopics, Unsubscribe
from local_core.ipc.server import IpcServer
from local_core.ipc.topics import filter_matches

SECONDS = 30
"""The most that anything may take, on a busy machine."""
MQTT = "aws.greengrass.ipc.mqttproxy"
PUBSUB = "aws.greengrass.ipc.pubsub"


class InMemoryCloud:
    """A cloud inside this process: whatever is published reaches every matching subscription."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: dict[object, tuple[str, Deliver]] = {}

    def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
        """Deliver the message at once; ``component`` and ``qos`` make no difference here."""
        with self._lock:
            subscriptions = list(self._subscriptions.values())
        for topic_filter, deliver in subscriptions:
            if filter_matches(topic_filter, topic):
                deliver(topic, payload)

    def subscribe_to_cloud(self, topic_filter: str, qos: int, deliver: Deliver) -> Unsubscribe:
        """Call ``deliver`` for each message that matches; return how to end that."""
        key = object()
        with self._lock:
            self._subscriptions[key] = (topic_filter, deliver)

        def unsubscribe() -> None:
            with self._lock:
                self._subscriptions.pop(key, None)

        return unsubscribe


def policy(operations: list[str], resources: list[str]) -> dict[str, Any]:
    """Return one policy, under an id of no meaning."""
    names = [name if name == "*" else f"aws.greengrass#{name}" for name in operations]
    return {"policy:1": {"operations": names, "resources": resources}}


def recording(into: queue.SimpleQueue[str]) -> Any:
    """Return a lifecycle handler that notes that the client was disconnected."""
    handler = LifecycleHandler()
    handler.on_disconnect = lambda reason: into.put(repr(reason))
    return handler


@dataclass
class Bench:
    """A served socket with the parts behind it, and clients of it."""

    socket_path: Path
    dialect: Dialect = CLASSIC
    cloud: CloudRouter = field(default_factory=InMemoryCloud)
    store: ConfigurationStore = field(default_factory=ConfigurationStore)
    states: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        authorizer = Authorizer(self.store, "thing-1")
        operations = all_operations(
            CloudMessaging(self.cloud, authorizer, self.dialect.in_flight),
            LocalMessaging(LocalTopics(), authorizer),
            ConfigurationService(self.store),
            StateService(lambda component, state: self.states.append((component, state))),
        )
        self.server = IpcServer(self.socket_path, operations, dialect=self.dialect)
        self.disconnects: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._clients = ExitStack()

    def client(self, component: str, configuration: dict[str, Any] | None = None) -> Any:
        """Register ``component`` with its ``configuration`` and return a client of it."""
        self.store.put(component, configuration or {})
        return self.connect(self.server.register(component))

    def connect(self, token: str) -> Any:
        """Return a client that shows ``token``."""
        connection = connect(
            ipc_socket=str(self.socket_path),
            authtoken=token,
            lifecycle_handler=recording(self.disconnects),
            timeout=SECONDS,
        )
        client = GreengrassCoreIPCClientV2(client=connection, executor=None)
        # Waits for the end of the connection, however the test made it end.
        self._clients.callback(lambda: client.close().exception(SECONDS))
        return client

    @contextmanager
    def served(self) -> Iterator[Bench]:
        """Serve in this context, and close the clients before the server."""
        with self.server, self._clients:
            yield self


@contextmanager
def refused(error: Any, text: str) -> Iterator[None]:
    """Expect ``error`` with ``text`` in its message, which the client keeps out of ``str``."""
    with pytest.raises(error) as caught:
        yield
    assert text in str(caught.value.message)
