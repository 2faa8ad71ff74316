"""The connection to the local cloud's broker, which these tests stop and start."""

from __future__ import annotations

import json
import queue
import threading
import time
from pathlib import Path

import pytest

from local_core.device import mqtt
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.setup import create_certificate
from tests.device.conftest import THING, Device
from tests.waiting import eventually

SECONDS = 20.0


def test_published_message_reaches_a_subscription(device: Device) -> None:
    got: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        connection.subscribe_to_cloud("demo/#", 1, lambda topic, payload: got.put((topic, payload)))
        connection.publish_to_cloud("component", "demo/a", 1, b"one")
        connection.publish_to_cloud("component", "demo/b", 0, b"two")
        assert {got.get(timeout=SECONDS) for _ in range(2)} == {
            ("demo/a", b"one"),
            ("demo/b", b"two"),
        }


def test_unsubscribed_topic_is_silent(device: Device) -> None:
    first: list[bytes] = []
    second: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        end = connection.subscribe_to_cloud("demo/a", 1, lambda topic, body: first.append(body))
        connection.subscribe_to_cloud("demo/#", 1, lambda topic, body: second.put(body))
        end()
        connection.publish_to_cloud("", "demo/a", 1, b"x")
        assert second.get(timeout=SECONDS) == b"x"
        assert first == []


def test_many_threads_publish_at_once(device: Device) -> None:
    """Publishers wait while acknowledgements come in on paho's thread."""
    failures: list[Exception] = []

    def publish(number: int) -> None:
        try:
            for count in range(25):
                connection.publish_to_cloud("", f"demo/{number}", 1, b"%d" % count)
        except ConnectionError as error:
            failures.append(error)

    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert not [thread for thread in threads if thread.is_alive()]
    assert failures == []


def test_message_that_is_not_understood_does_not_end_the_connection(device: Device) -> None:
    got: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def take(topic: str, payload: bytes) -> None:
        got.put(json.loads(payload)["text"].encode())

    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        connection.subscribe_to_cloud("demo/#", 1, take)
        for payload in (b"not JSON", b"{}", b'{"text": "understood"}'):
            connection.publish_to_cloud("", "demo/a", 1, payload)
        assert got.get(timeout=SECONDS) == b"understood"


@pytest.mark.parametrize("qos", [0, 1])
def test_numbers_of_messages_are_used_again(device: Device, qos: int) -> None:
    """MQTT has 65,535 of them, so a long connection comes round."""
    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        for _ in range(3):
            connection._client._last_mid = 100  # type: ignore[union-attr]
            for _ in range(5):
                connection.publish_to_cloud("", "demo/a", qos, b"x")
        connection.publish_to_cloud("", "demo/a", 1, b"x")
        assert not connection._awaited
        assert connection.sessions == 1


def test_late_acknowledgement_is_not_that_of_a_later_message(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        monkeypatch.setattr(mqtt, "ACKNOWLEDGED_SECONDS", 0.0)
        with pytest.raises(ConnectionError, match="did not acknowledge it in time"):
            connection.publish_to_cloud("", "demo/a", 1, b"late")
        monkeypatch.undo()
        eventually(lambda: not connection._unawaited, SECONDS)
        assert not connection._awaited
        connection.publish_to_cloud("", "demo/a", 1, b"in time")


def test_broker_that_comes_back_has_the_subscriptions_again(device: Device) -> None:
    got: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with device.connection() as connection:
        assert connection.wait_until_connected(SECONDS)
        connection.subscribe_to_cloud("demo/#", 1, lambda topic, payload: got.put(payload))
        device.cloud.stop_part("mqtt")
        try:
            eventually(lambda: not connection.wait_until_connected(0), SECONDS)
            with pytest.raises(ConnectionError, match="the broker is not connected"):
                connection.publish_to_cloud("", "demo/a", 1, b"lost")
        finally:
            device.cloud.start_part("mqtt")
        eventually(lambda: connection.wait_until_connected(0.1), SECONDS)

        def arrived() -> bool:
            connection.publish_to_cloud("", "demo/a", 1, b"again")
            time.sleep(0.1)
            return not got.empty()

        eventually(arrived, SECONDS)
        assert got.get(timeout=SECONDS) == b"again"


def test_certificate_that_may_not_connect_is_refused(device: Device, tmp_path: Path) -> None:
    other = create_certificate(device.cloud.client("iot"), tmp_path, device.cloud.ca_path)
    tls = tls_context(other)
    with MqttConnection(device.broker, THING, tls) as connection:
        assert not connection.wait_until_connected(1)
        assert connection.fault


def test_certificate_that_is_deactivated_is_refused(device: Device, tmp_path: Path) -> None:
    iot = device.cloud.client("iot")
    other = create_certificate(iot, tmp_path, device.cloud.ca_path)
    iot.attach_policy(policyName="Demo", target=other.arn)
    iot.update_certificate(certificateId=other.id, newStatus="INACTIVE")
    tls = tls_context(other)
    with MqttConnection(device.broker, THING, tls) as connection:
        assert not connection.wait_until_connected(1)


def test_leaving_takes_no_time_while_there_is_no_broker(device: Device) -> None:
    device.cloud.stop_part("mqtt")
    try:
        with device.connection() as connection:
            eventually(lambda: connection.fault is not None, SECONDS)
            began = time.monotonic()
        assert time.monotonic() - began < 2
    finally:
        device.cloud.start_part("mqtt")
