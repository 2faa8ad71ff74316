"""Every operation with the unmodified awsiotsdk client: what it does, and what it refuses."""

from __future__ import annotations

import datetime
import queue
import threading
from pathlib import Path
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

from local_core.ipc.dialect import LITE
from tests.local_core.support import (
    MQTT,
    PUBSUB,
    SECONDS,
    Bench,
    InMemoryCloud,
    policy,
    refused,
)
from tests.waiting import eventually

NOW = datetime.datetime(2026, 11, 22)
EVERYTHING = {"accessControl": {service: policy(["*"], ["*"]) for service in (MQTT, PUBSUB)}}


def events() -> queue.SimpleQueue[Any]:
    return queue.SimpleQueue()


def json_message(value: Any) -> Any:
    return model.PublishMessage(json_message=model.JsonMessage(message=value))


class TestIoTCore:
    def test_publish_reaches_the_cloud_with_its_quality_of_service(self, socket_path: Path) -> None:
        published: list[tuple[Any, ...]] = []

        class Cloud:
            def publish_to_cloud(self, *message: Any) -> None:
                published.append(message)

            def subscribe_to_cloud(self, *_: Any) -> Any:
                raise NotImplementedError

        with Bench(socket_path, cloud=Cloud()).served() as bench:
            client = bench.client("com.A", EVERYTHING)
            client.publish_to_iot_core(topic_name="a/b", qos="1", payload=b"\x00\xff")
            client.publish_to_iot_core(topic_name="a/b", qos="0", payload=b"")
        assert published == [("com.A", "a/b", 1, b"\x00\xff"), ("com.A", "a/b", 0, b"")]

    def test_large_payload_passes_where_there_is_no_limit(self, bench: Bench) -> None:
        client, received = bench.client("com.A", EVERYTHING), events()
        bench.cloud.subscribe_to_cloud("big", 0, lambda _, payload: received.put(payload))
        client.publish_to_iot_core(topic_name="big", qos="0", payload=b"z" * 300_000)
        assert len(received.get(timeout=SECONDS)) == 300_000

    def test_subscriber_hears_matching_topics_only(self, bench: Bench) -> None:
        client, received = bench.client("com.A", EVERYTHING), events()
        client.subscribe_to_iot_core(
            topic_name="cmd/+/go", qos="1", on_stream_event=lambda e: received.put(e.message)
        )
        bench.cloud.publish_to_cloud("", "cmd/1/2/go", 0, b"no")
        bench.cloud.publish_to_cloud("", "cmd/7/go", 0, b"\x01go")
        message = received.get(timeout=SECONDS)
        assert (message.topic_name, message.payload) == ("cmd/7/go", b"\x01go")

    def test_event_that_precedes_the_reply_is_held_back(self, socket_path: Path) -> None:
        """A retained message arrives while the subscription is being made."""

        class Retaining:
            def publish_to_cloud(self, *_: Any) -> None:
                raise NotImplementedError

            def subscribe_to_cloud(self, topic_filter: str, qos: int, deliver: Any) -> Any:
                deliver(topic_filter, b"retained")
                return lambda: None

        with Bench(socket_path, cloud=Retaining()).served() as bench:
            client, received = bench.client("com.A", EVERYTHING), events()
            client.subscribe_to_iot_core(
                topic_name="t", qos="0", on_stream_event=lambda e: received.put(e.message.payload)
            )
            assert received.get(timeout=SECONDS) == b"retained"

    @pytest.mark.parametrize("topic", ["a/+", "#"])
    def test_publish_to_a_filter_is_refused(self, bench: Bench, topic: str) -> None:
        with pytest.raises(model.InvalidArgumentsError):
            bench.client("com.A", EVERYTHING).publish_to_iot_core(
                topic_name=topic, qos="0", payload=b""
            )

    def test_subscription_to_a_malformed_filter_is_refused(self, bench: Bench) -> None:
        with pytest.raises(model.InvalidArgumentsError):
            bench.client("com.A", EVERYTHING).subscribe_to_iot_core(
                topic_name="a/#/b", qos="0", on_stream_event=print
            )


class TestAccessControl:
    @pytest.fixture
    def client(self, bench: Bench) -> Any:
        control = {
            MQTT: policy(["PublishToIoTCore"], ["out/{iot:thingName}/#", "plain"]),
            PUBSUB: policy(["SubscribeToTopic"], ["in/*"]),
        }
        return bench.client("com.A", {"accessControl": control})

    @pytest.mark.parametrize("topic", ["plain", "out/thing-1", "out/thing-1/a/b"])
    def test_allows_what_a_resource_covers(self, client: Any, topic: str) -> None:
        client.publish_to_iot_core(topic_name=topic, qos="0", payload=b"")

    @pytest.mark.parametrize("topic", ["plain/x", "out/thing-2/a", "out"])
    def test_refuses_other_topics(self, client: Any, topic: str) -> None:
        with refused(model.UnauthorizedError, f"on resource {topic}"):
            client.publish_to_iot_core(topic_name=topic, qos="0", payload=b"")

    def test_refuses_other_operations(self, client: Any) -> None:
        with pytest.raises(model.UnauthorizedError):
            client.subscribe_to_iot_core(topic_name="plain", qos="0", on_stream_event=print)
        with pytest.raises(model.UnauthorizedError):
            client.publish_to_topic(topic="in/x", publish_message=json_message({}))
        client.subscribe_to_topic(topic="in/x", on_stream_event=print)

    @pytest.mark.parametrize("control", [{}, {MQTT: {}}, {MQTT: "all"}, {MQTT: {"p": {}}}])
    def test_nothing_is_allowed_by_default(self, bench: Bench, control: Any) -> None:
        client = bench.client("com.A", {"accessControl": control})
        with pytest.raises(model.UnauthorizedError):
            client.publish_to_iot_core(topic_name="t", qos="0", payload=b"")


class TestLocalTopics:
    def test_json_and_binary_messages_fan_out_with_their_topic(self, bench: Bench) -> None:
        sender = bench.client("com.A", EVERYTHING)
        received = [events(), events()]
        for number, topic in enumerate(("plant/+/temp", "plant/1/temp")):
            response, _ = bench.client(f"com.{number}", EVERYTHING).subscribe_to_topic(
                topic=topic, on_stream_event=received[number].put
            )
            assert response.topic_name == topic
        sender.publish_to_topic(topic="plant/1/temp", publish_message=json_message({"t": 21.5}))
        binary = model.PublishMessage(binary_message=model.BinaryMessage(message=b"\x00raw"))
        sender.publish_to_topic(topic="plant/1/temp", publish_message=binary)
        for inbox in received:
            first, second = inbox.get(timeout=SECONDS), inbox.get(timeout=SECONDS)
            assert first.json_message.message == {"t": 21.5}
            assert first.json_message.context.topic == "plant/1/temp"
            assert second.binary_message.message == b"\x00raw"

    @pytest.mark.parametrize(
        ("topic", "mode", "hears_itself"),
        [
            ("a/b", None, True),
            ("a/+", None, False),
            ("a/+", "RECEIVE_ALL_MESSAGES", True),
            ("a/b", "RECEIVE_MESSAGES_FROM_OTHERS", False),
        ],
    )
    def test_receive_mode(
        self, bench: Bench, topic: str, mode: str | None, hears_itself: bool
    ) -> None:
        own, received = bench.client("com.A", EVERYTHING), events()
        own.subscribe_to_topic(topic=topic, receive_mode=mode, on_stream_event=received.put)
        own.publish_to_topic(topic="a/b", publish_message=json_message({"from": "itself"}))
        bench.client("com.B", EVERYTHING).publish_to_topic(
            topic="a/b", publish_message=json_message({"from": "other"})
        )
        first = received.get(timeout=SECONDS).json_message.message["from"]
        assert first == ("itself" if hears_itself else "other")

    def test_closed_stream_hears_nothing_more(self, bench: Bench) -> None:
        client, received = bench.client("com.A", EVERYTHING), events()
        _, operation = client.subscribe_to_topic(topic="a", on_stream_event=received.put)
        _, _ = client.subscribe_to_topic(topic="b", on_stream_event=received.put)
        operation.close().result(SECONDS)
        client.publish_to_topic(topic="a", publish_message=json_message(1))
        client.publish_to_topic(topic="b", publish_message=json_message(2))
        assert received.get(timeout=SECONDS).json_message.message == 2

    def test_message_of_no_kind_is_refused(self, bench: Bench) -> None:
        with pytest.raises(model.InvalidArgumentsError):
            bench.client("com.A", EVERYTHING).publish_to_topic(
                topic="a", publish_message=model.PublishMessage()
            )


class TestConfiguration:
    @pytest.fixture
    def client(self, bench: Bench) -> Any:
        return bench.client("com.A", {"rate": 5, "nested": {"a": 1, "b": {"c": "x"}}})

    def test_whole_part_and_leaf(self, client: Any) -> None:
        assert set(client.get_configuration(key_path=[]).value) == {"rate", "nested"}
        assert client.get_configuration(key_path=["nested", "b"]).value == {"c": "x"}
        assert client.get_configuration(key_path=["rate"]).value == {"rate": 5}

    def test_of_another_component(self, bench: Bench, client: Any) -> None:
        other = bench.client("com.B")
        response = other.get_configuration(component_name="com.A", key_path=["nested", "a"])
        assert (response.component_name, response.value) == ("com.A", {"a": 1})

    @pytest.mark.parametrize("wanted", [{"key_path": ["nope"]}, {"component_name": "com.Nobody"}])
    def test_what_is_not_there_is_not_found(self, client: Any, wanted: Any) -> None:
        with pytest.raises(model.ResourceNotFoundError):
            client.get_configuration(**wanted)
        with pytest.raises(model.ResourceNotFoundError):
            client.subscribe_to_configuration_update(**wanted, on_stream_event=print)

    def test_update_merges(self, client: Any) -> None:
        client.update_configuration(
            key_path=["nested"], timestamp=NOW, value_to_merge={"b": {"d": [1]}, "e": True}
        )
        assert client.get_configuration(key_path=["nested"]).value == {
            "a": 1,
            "b": {"c": "x", "d": [1]},
            "e": True,
        }

    def test_access_control_cannot_be_updated(self, client: Any) -> None:
        for key_path, values in (([], {"accessControl": {}}), (["accessControl"], {})):
            with refused(model.InvalidArgumentsError, "accessControl"):
                client.update_configuration(key_path=key_path, timestamp=NOW, value_to_merge=values)

    def test_each_changed_leaf_is_one_event(self, bench: Bench, client: Any) -> None:
        root, nested = events(), events()
        client.subscribe_to_configuration_update(key_path=[], on_stream_event=root.put)
        bench.client("com.B").subscribe_to_configuration_update(
            component_name="com.A", key_path=["nested"], on_stream_event=nested.put
        )
        client.update_configuration(
            key_path=["nested"], timestamp=NOW, value_to_merge={"a": 2, "b": {"c": "x", "d": 1}}
        )
        bench.store.merge("com.A", (), {"rate": 9})
        paths = [root.get(timeout=SECONDS).configuration_update_event.key_path for _ in range(3)]
        assert paths == [["nested", "a"], ["nested", "b", "d"], ["rate"]]
        seen = [nested.get(timeout=SECONDS).configuration_update_event for _ in range(2)]
        assert [event.key_path for event in seen] == paths[:2]
        assert seen[0].component_name == "com.A"
        assert nested.empty()

    def test_client_that_left_gets_no_more_events(self, bench: Bench, client: Any) -> None:
        client.subscribe_to_configuration_update(key_path=[], on_stream_event=print)
        client.close().result(SECONDS)
        eventually(lambda: bench.server.connection_count == 0)
        bench.store.merge("com.A", (), {"rate": 9})
        assert not bench.store._watches


class TestState:
    @pytest.mark.parametrize("state", ["RUNNING", "ERRORED"])
    def test_is_passed_on(self, bench: Bench, state: str) -> None:
        bench.client("com.A").update_state(state=state)
        assert bench.states == [("com.A", state)]

    def test_other_states_are_refused(self, bench: Bench) -> None:
        with pytest.raises(model.InvalidArgumentsError):
            bench.client("com.A").update_state(state="BROKEN")


class _Slow(InMemoryCloud):
    """A cloud that acknowledges nothing until the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledges = threading.Event()

    def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
        self.acknowledges.wait(SECONDS)


@pytest.mark.parametrize(("size", "passed"), [(10, 10), (5_000, 3)])
def test_lite_lets_ten_publishes_and_15_000_bytes_wait_for_their_acknowledgement(
    socket_path: Path, size: int, passed: int
) -> None:
    cloud = _Slow()
    with Bench(socket_path, LITE, cloud).served() as bench:
        client = bench.client("com.A", {"accessControl": {MQTT: policy(["*"], ["*"])}})
        for _ in range(passed):
            client.publish_to_iot_core(topic_name="a", qos="1", payload=b"x" * size)
        with pytest.raises(model.ServiceError):
            client.publish_to_iot_core(topic_name="a", qos="1", payload=b"x" * size)
        cloud.acknowledges.set()
        eventually(lambda: not [t for t in threading.enumerate() if t.name == "publish"])
        client.publish_to_iot_core(topic_name="a", qos="1", payload=b"x" * size)


def test_lite_fails_a_publish_at_once_while_the_broker_is_away(socket_path: Path) -> None:
    class Away(InMemoryCloud):
        def publish_to_cloud(self, component: str, topic: str, qos: int, payload: bytes) -> None:
            raise ConnectionError("away")

    with Bench(socket_path, LITE, Away()).served() as bench:
        client = bench.client("com.A", {"accessControl": {MQTT: policy(["*"], ["*"])}})
        for _ in range(12):
            with pytest.raises(model.ServiceError):
                client.publish_to_iot_core(topic_name="a", qos="1", payload=b"x")
