"""The queue to the broker: order, retries, the cap, and what is left at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from inference.backoff import Backoff
from inference.errors import RefusedError
from inference.outbox import Outbox


class Broker:
    """Takes messages, or fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, topic: str, payload: bytes) -> None:
        self.gate.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(payload)


def outbox(broker: Broker, capacity: int = 1_000, messages_a_second: float = 0) -> Outbox:
    backoff = Backoff(first=0.01, cap=0.02)
    return Outbox(broker, capacity=capacity, messages_a_second=messages_a_second, backoff=backoff)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def numbers(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def test_messages_go_out_in_order() -> None:
    broker = Broker()
    box = outbox(broker)
    for payload in numbers(50):
        box.put("t", payload)
    assert box.close(5) == 0
    assert broker.taken == numbers(50)
    assert (box.counters.accepted, box.counters.sent) == (50, 50)


def test_nothing_is_lost_or_doubled_while_the_broker_is_away() -> None:
    broker = Broker()
    broker.error = OSError("broker away")
    box = outbox(broker)
    for payload in numbers(20):
        box.put("t", payload)
    until(lambda: box.counters.retried >= 2)
    assert box.fault == "broker away"
    assert len(box) == 20
    broker.error = None
    assert box.close(5) == 0
    assert broker.taken == numbers(20)
    assert box.fault is None


def test_when_full_the_oldest_make_room_and_are_counted() -> None:
    broker = Broker()
    broker.gate.clear()
    box = outbox(broker, capacity=5)
    box.put("t", b"in work")
    until(lambda: len(box) == 1)
    time.sleep(0.05)
    for payload in numbers(9):
        box.put("t", payload)
    broker.gate.set()
    assert box.close(5) == 0
    assert broker.taken == [b"in work", *numbers(9)[4:]]
    counters = box.counters
    assert (counters.accepted, counters.sent, counters.dropped) == (10, 6, 4)


def test_a_message_refused_for_good_does_not_hold_up_the_others() -> None:
    broker = Broker()
    broker.error = RefusedError("not in accessControl")
    box = outbox(broker)
    box.put("forbidden", b"x")
    until(lambda: box.counters.refused == 1)
    broker.error = None
    box.put("t", b"y")
    assert box.close(5) == 0
    assert broker.taken == [b"y"]


def test_close_gives_up_after_its_time_and_says_how_many_are_left() -> None:
    broker = Broker()
    broker.error = OSError("broker away")
    box = outbox(broker)
    for payload in numbers(3):
        box.put("t", payload)
    started = time.monotonic()
    assert box.close(0.2) == 3
    assert time.monotonic() - started < 2


def test_the_rate_is_limited() -> None:
    broker = Broker()
    box = outbox(broker, messages_a_second=20)
    started = time.monotonic()
    for payload in numbers(5):
        box.put("t", payload)
    assert box.close(5) == 0
    assert time.monotonic() - started >= 4 / 20


def test_waits_double_up_to_the_cap_and_are_shortened_by_up_to_half() -> None:
    longest = Backoff(first=1, cap=5, rng=lambda: 0.0)
    assert [longest.next() for _ in range(4)] == [1, 2, 4, 5]
    longest.reset()
    assert longest.next() == 1
    assert Backoff(first=1, cap=5, rng=lambda: 1.0).next() == 0.5
