"""Predictions for other components of the device: whatever happens there, the loop goes on."""

from __future__ import annotations

import queue
import threading

import pytest

from inference.errors import RefusedError
from inference.outgoing.local_topic import LocalCounters, LocalPublisher
from tests.waiting import eventually


def test_messages_arrive_in_order() -> None:
    sent: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    publisher = LocalPublisher(lambda topic, payload: sent.put((topic, payload)))
    for number in range(3):
        publisher.put("line1/seen", b"%d" % number)
    assert [sent.get(timeout=5) for _ in range(3)] == [
        ("line1/seen", b"0"),
        ("line1/seen", b"1"),
        ("line1/seen", b"2"),
    ]
    eventually(lambda: publisher.counters == LocalCounters(sent=3))
    publisher.close()


def test_failures_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[OSError] = [RefusedError("may not"), OSError("is away")]

    def send(topic: str, payload: bytes) -> None:
        if failures:
            raise failures.pop(0)

    caplog.set_level("INFO")
    publisher = LocalPublisher(send)
    for _ in range(3):
        publisher.put("line1/seen", b"")
    eventually(lambda: publisher.counters == LocalCounters(sent=1, failed=2))
    publisher.close()
    assert [record.getMessage() for record in caplog.records] == [
        "nothing is published on the local topic line1/seen: may not",
        "the local topic line1/seen has predictions again",
    ]


def test_a_nucleus_that_hangs_costs_the_oldest_messages_only() -> None:
    began, go_on = threading.Event(), threading.Event()
    sent: list[bytes] = []

    def send(topic: str, payload: bytes) -> None:
        began.set()
        assert go_on.wait(5)
        sent.append(payload)

    publisher = LocalPublisher(send)
    publisher.put("line1/seen", b"first")
    assert began.wait(5)
    for number in range(20):
        publisher.put("line1/seen", b"%d" % number)
    assert publisher.counters.dropped == 4
    go_on.set()
    eventually(lambda: len(sent) == 17)
    assert sent[1] == b"4" and sent[-1] == b"19"
    publisher.close()
    publisher.put("line1/seen", b"after the end")
    assert len(sent) == 17
