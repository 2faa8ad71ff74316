"""The connection itself, as the unmodified awsiotsdk client sees it."""

from __future__ import annotations

import queue
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from awsiot.eventstreamrpc import AccessDeniedError, ConnectionClosedError
from awsiot.greengrasscoreipc import model

from local_core.ipc.codec import Message, MessageType, encode
from local_core.ipc.server import MAX_SOCKET_PATH_BYTES, IpcServer
from tests.local_core.support import MQTT, SECONDS, Bench, policy, refused
from tests.waiting import eventually

ANY_TOPIC = {"accessControl": {MQTT: policy(["*"], ["*"])}}


def test_wrong_token_is_refused(bench: Bench) -> None:
    for _ in range(5):
        with pytest.raises(AccessDeniedError):
            bench.connect("wrong")


def test_registering_again_refuses_the_earlier_token(bench: Bench) -> None:
    earlier = bench.server.register("com.A")
    bench.client("com.A")
    with pytest.raises(AccessDeniedError):
        bench.connect(earlier)


def test_unknown_operation_is_a_service_error(bench: Bench) -> None:
    client = bench.client("com.A")
    with pytest.raises(model.ServiceError) as caught:
        client.list_components()
    assert "ListComponents is not supported" in str(caught.value.message)


def test_client_survives_an_error(bench: Bench) -> None:
    client = bench.client("com.A", {"rate": 5})
    with pytest.raises(model.ServiceError):
        client.list_components()
    assert client.get_configuration(key_path=["rate"]).value == {"rate": 5}


def test_components_are_distinguished(bench: Bench) -> None:
    clients = [bench.client(f"com.{n}", {"n": n}) for n in range(3)]
    assert [c.get_configuration(key_path=[]).component_name for c in clients] == [
        "com.0",
        "com.1",
        "com.2",
    ]


def test_damaged_packet_ends_that_connection_only(bench: Bench) -> None:
    client = bench.client("com.A", {"rate": 5})
    with socket.socket(socket.AF_UNIX) as broken:
        broken.connect(str(bench.socket_path))
        broken.settimeout(SECONDS)
        packet = bytearray(encode(Message(MessageType.CONNECT, 0)))
        packet[-1] ^= 1
        broken.sendall(packet)
        assert broken.recv(1) == b""
    assert client.get_configuration(key_path=[]).value == {"rate": 5}


def test_fault_in_a_collaborator_is_a_service_error(socket_path: Path) -> None:
    class Faulty:
        def publish_to_cloud(self, *_: Any) -> None:
            raise RuntimeError("our own fault")

        def subscribe_to_cloud(self, *_: Any) -> Any:
            raise ConnectionError("offline")

    with Bench(socket_path, cloud=Faulty()).served() as bench:
        client = bench.client("com.A", ANY_TOPIC)
        with refused(model.ServiceError, "our own fault"):
            client.publish_to_iot_core(topic_name="t", qos="0", payload=b"")
        with refused(model.ServiceError, "offline"):
            client.subscribe_to_iot_core(topic_name="t", qos="0", on_stream_event=print)


def test_stop_disconnects_clients_and_frees_the_path(socket_path: Path) -> None:
    with Bench(socket_path).served() as bench:
        client = bench.client("com.A")
        bench.server.stop()
        assert bench.disconnects.get(timeout=SECONDS)
        with pytest.raises(ConnectionClosedError):
            client.get_configuration(key_path=[])
        assert not socket_path.exists()


def test_server_can_start_again_on_the_same_path(socket_path: Path) -> None:
    for _ in range(2):
        with Bench(socket_path).served() as bench:
            assert bench.client("com.A", {"a": 1}).get_configuration(key_path=[]).value == {"a": 1}


def test_closed_clients_leave_no_connection(bench: Bench) -> None:
    client = bench.client("com.A")
    assert bench.server.connection_count == 1
    client.close().result(SECONDS)
    eventually(lambda: bench.server.connection_count == 0)


def test_socket_path_too_long_for_the_client_is_refused() -> None:
    path = Path("/tmp") / ("x" * MAX_SOCKET_PATH_BYTES)
    with pytest.raises(ValueError, match="longer than 106 bytes"):
        IpcServer(path, {})


class TestLite:
    def test_wrong_token_closes_without_an_answer(self, lite: Bench) -> None:
        with pytest.raises(Exception) as caught:
            lite.connect("wrong")
        assert not isinstance(caught.value, AccessDeniedError)

    def test_packets_over_10000_bytes_close_the_connection(self, lite: Bench) -> None:
        client = lite.client("com.A", ANY_TOPIC)
        client.publish_to_iot_core(topic_name="t", qos="0", payload=b"x" * 7_300)
        with pytest.raises(Exception):  # noqa: B017
            client.publish_to_iot_core(topic_name="t", qos="0", payload=b"x" * 7_500)
        assert lite.disconnects.get(timeout=SECONDS)
        with pytest.raises(ConnectionClosedError):
            client.publish_to_iot_core(topic_name="t", qos="0", payload=b"")

    def test_reply_over_the_limit_is_a_service_error(self, lite: Bench) -> None:
        client = lite.client("com.A", {"big": "y" * 20_000})
        with pytest.raises(model.ServiceError):
            client.get_configuration(key_path=["big"])

    def test_errors_have_no_message(self, lite: Bench) -> None:
        with pytest.raises(model.ResourceNotFoundError) as caught:
            lite.client("com.A").get_configuration(key_path=["nope"])
        assert caught.value.message is None


def test_thousand_publishes_arrive_in_order(bench: Bench) -> None:
    client = bench.client("com.A", ANY_TOPIC)
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    bench.cloud.subscribe_to_cloud("t", 0, lambda _, payload: received.put(payload))
    began = time.monotonic()
    for number in range(1000):
        client.publish_to_iot_core(topic_name="t", qos="0", payload=b"%d" % number)
    assert [received.get(timeout=1) for _ in range(1000)] == [b"%d" % n for n in range(1000)]
    assert time.monotonic() - began < 10
