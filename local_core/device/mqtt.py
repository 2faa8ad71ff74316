"""A device's connection to AWS IoT's broker: mutual TLS, kept up for as long as the device runs.

It uses paho-mqtt, as the tests do: it is plain Python, reports for each message when the broker
acknowledged it, and leaves reconnecting to us, with a pause that is capped and random.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from inference.backoff import Backoff

from ..ipc.router import Deliver, Unsubscribe
from ..ipc.topics import filter_matches
from .setup import Address, Certificate, CoreConfiguration

ACKNOWLEDGED_SECONDS = 10.0
"""How long a publisher waits for the broker's acknowledgement."""

_KEEP_ALIVE_SECONDS = 60
_CONNECT_SECONDS = 10.0
_log = logging.getLogger(__name__)


def tls_context(files: Certificate | CoreConfiguration) -> ssl.SSLContext:
    """Return the device's side of mutual TLS."""
    context = ssl.create_default_context(cafile=str(files.root_ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.private_key)
    return context


class MqttConnection:
    """A context that stays connected; subscriptions are made again after each interruption.

    A message that cannot be sent is an error at once: its publisher keeps it and retries, as
    components of nucleus lite must.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        tls: ssl.SSLContext,
    ) -> None:
        self.fault: str | None = None
        """Why the last attempt to connect failed; None while connected."""
        self.sessions = 0
        """How often it has connected, each time with all subscriptions made again."""
        self._address = address
        self._client_id = client_id
        self._tls = tls
        self._lock = threading.Lock()
        self._client: paho.Client | None = None
        self._awaited: dict[int, Future[None]] = {}
        self._unawaited: set[int] = set()
        """Packets whose acknowledgement nobody awaits."""
        self._subscriptions: dict[object, tuple[str, int, Deliver]] = {}
        self._connected = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="mqtt", daemon=True)

    def __enter__(self) -> MqttConnection:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._ended.set()
        self._thread.join()

    def wait_until_connected(self, seconds: float) -> bool:
        """Return whether the connection is up, after waiting for it."""
        return self._connected.wait(seconds)

    def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
        """Send a message; return when it is on its way, or with QoS 1 when the broker has it.

        Raises:
            ConnectionError: if it could not be sent, or was not acknowledged in time.
        """
        info = self._online().publish(topic, payload, qos)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise ConnectionError(paho.error_string(info.rc))
        self._await(info.mid)

    def subscribe_to_cloud(self, topic_filter: str, qos: int, deliver: Deliver) -> Unsubscribe:
        """Call ``deliver`` for each message that matches; return how to end that.

        Raises:
            ConnectionError: if the broker is not connected, or refuses.
        """
        key = object()
        client = self._online()
        with self._lock:
            self._subscriptions[key] = (topic_filter, qos, deliver)

        def unsubscribe() -> None:
            with self._lock:
                self._subscriptions.pop(key, None)
                still_wanted = any(f == topic_filter for f, _, _ in self._subscriptions.values())
                client = self._client
            if client is not None and not still_wanted:
                client.unsubscribe(topic_filter)

        try:
            result, mid = client.subscribe(topic_filter, qos)
            if result != paho.MQTT_ERR_SUCCESS or mid is None:
                raise ConnectionError(paho.error_string(result))
            self._await(mid)
        except ConnectionError:
            unsubscribe()
            raise
        return unsubscribe

    def _online(self) -> paho.Client:
        client = self._client
        if client is None or not self._connected.is_set():
            raise ConnectionError(f"the broker is not connected ({self.fault})")
        return client

    def _await(self, mid: int) -> None:
        """Return when the broker acknowledges; it may have done so already."""
        with self._lock:
            if not self._connected.is_set():
                raise ConnectionError("the connection broke")
            acknowledged = self._awaited.setdefault(mid, Future())
        try:
            acknowledged.result(ACKNOWLEDGED_SECONDS)
        except FutureTimeoutError:
            raise ConnectionError("the broker did not acknowledge it in time") from None
        finally:
            with self._lock:
                if self._awaited.pop(mid, None) is not None and not acknowledged.done():
                    self._unawaited.add(mid)

    def _live(self) -> None:
        backoff = Backoff(first=0.25, cap=10.0)
        while not self._stopping.is_set():
            if self._connect_once():
                backoff.reset()
            if not self._stopping.is_set():
                _log.warning("%s: not connected: %s", self._client_id, self.fault)
            self._stopping.wait(backoff.next())

    def _connect_once(self) -> bool:
        """Connect, and wait until the connection ends; return whether the broker accepted it."""
        client = self._new_client()
        self._ended.clear()
        if self._stopping.is_set():
            return False
        try:
            client.connect(self._address.host, self._address.port, _KEEP_ALIVE_SECONDS)
        except OSError as error:
            self.fault = str(error) or type(error).__name__
            return False
        client.loop_start()
        try:
            # Do not wait for a broker that accepts the TCP connection and then sends nothing.
            if not self._ended.wait(_CONNECT_SECONDS) and self._connected.is_set():
                self._ended.wait()
            was_connected = self._connected.is_set()
        finally:
            self._leave(client)
        return was_connected

    def _leave(self, client: paho.Client) -> None:
        with contextlib.suppress(OSError):
            client.disconnect()
        client.loop_stop()
        with self._lock:
            self._connected.clear()
            self._client = None
            waiting, self._awaited = list(self._awaited.values()), {}
            self._unawaited.clear()
        for acknowledged in waiting:
            if not acknowledged.done():
                acknowledged.set_exception(ConnectionError("the connection broke"))

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._tls)
        client.connect_timeout = _CONNECT_SECONDS
        client.on_connect = self._on_connect
        client.on_disconnect = lambda c, u, f, reason, p: self._end(str(reason))
        client.on_publish = lambda c, u, mid, reason, p: self._acknowledge(mid, reason.is_failure)
        client.on_subscribe = lambda c, u, mid, reasons, p: self._acknowledge(
            mid, any(reason.is_failure for reason in reasons)
        )
        client.on_message = lambda c, u, message: self._deliver(message.topic, message.payload)
        return client

    def _on_connect(
        self, client: paho.Client, data: object, flags: object, reason: object, properties: object
    ) -> None:
        if getattr(reason, "is_failure", True):
            self._end(f"the broker refused: {reason}")
            return
        with self._lock:
            self.fault = None
            self._client = client
            wanted = _once(self._subscriptions.values())
            self._connected.set()
        for topic_filter, qos in wanted:
            _, mid = client.subscribe(topic_filter, qos)
            if mid is not None:
                self._unawaited.add(mid)
        self.sessions += 1

    def drop(self, why: str) -> None:
        """End this connection, as for a message that the device cannot take; it is made again."""
        self._end(why)

    def _end(self, why: str) -> None:
        self.fault = why
        self._ended.set()

    def _acknowledge(self, mid: int, failed: bool) -> None:
        """Record the broker's answer, or that a message of QoS 0 was sent.

        paho holds a lock of its own here, so it must not be called under ours.
        """
        with self._lock:
            if mid in self._unawaited:
                self._unawaited.discard(mid)
                return
            if not self._connected.is_set():
                return
            acknowledged = self._awaited.setdefault(mid, Future())
            if failed:
                acknowledged.set_exception(ConnectionError("the broker refused it"))
            else:
                acknowledged.set_result(None)

    def _deliver(self, topic: str, payload: bytes) -> None:
        with self._lock:
            wanted = [d for f, _, d in self._subscriptions.values() if filter_matches(f, topic)]
        for deliver in wanted:
            try:
                deliver(topic, payload)
            except Exception:  # it would end paho's thread, and with it the connection
                _log.exception("a message on %s was not taken", topic)


def _once(subscriptions: Iterable[tuple[str, int, Deliver]]) -> Iterable[tuple[str, int]]:
    highest: dict[str, int] = {}
    for topic_filter, qos, _ in subscriptions:
        highest[topic_filter] = max(qos, highest.get(topic_filter, 0))
    return highest.items()
