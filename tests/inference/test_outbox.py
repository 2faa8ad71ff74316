"""The queue to the broker: order, retries, the cap, and what is left at the end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from inference import hanging
from inference.backoff import Backoff
from inference.errors import RefusedError
from inference.outgoing import backlog as backlog_module
from inference.outgoing import waiting as waiting_module
from inference.outgoing.backlog import Backlog
from inference.outgoing.lines import QueuedMessage
from inference.outgoing.outbox import Outbox
from tests.waiting import eventually


class Broker:
    """Accepts messages, or fails as a test demands."""

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


def outbox(
    broker: Broker,
    capacity: int = 1_000,
    messages_a_second: float = 0,
    backlog: Backlog | None = None,
) -> Outbox:
    return Outbox(
        broker,
        capacity=capacity,
        messages_a_second=messages_a_second,
        backoff=Backoff(first=0.01, cap=0.02),
        backlog=backlog,
    )


def left_in(path: Path) -> list[QueuedMessage]:
    """Return the messages that a process would find which starts now; the file stays as it is."""
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(path.read_bytes() if path.exists() else b"")
    backlog = Backlog(copy)
    found = []
    while (message := backlog.take()) is not None:
        found.append(message)
        backlog.done()
    return found


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
    eventually(lambda: box.counters.retried >= 2)
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
    eventually(lambda: len(box) == 1)
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
    eventually(lambda: box.counters.refused == 1)
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


@pytest.mark.parametrize("slow", [0.001, 1e-12])
def test_a_corrected_rate_counts_for_the_next_message(slow: float) -> None:
    broker = Broker()
    box = outbox(broker, messages_a_second=slow)
    box.put("t", b"1")
    box.put("t", b"2")
    eventually(lambda: broker.taken == [b"1"])
    box.limit_rate(100)
    eventually(lambda: broker.taken == [b"1", b"2"])
    assert box.close(1.0) == 0


def test_waits_double_up_to_the_cap_and_are_shortened_by_up_to_half() -> None:
    longest = Backoff(first=1, cap=5, rng=lambda: 0.0)
    assert [longest.next() for _ in range(4)] == [1, 2, 4, 5]
    longest.reset()
    assert longest.next() == 1
    assert Backoff(first=1, cap=5, rng=lambda: 1.0).next() == 0.5


def test_waits_after_days_of_failures_are_still_numbers() -> None:
    backoff = Backoff(first=0.25, cap=5, rng=lambda: 0.0)
    assert [backoff.next() for _ in range(2_000)][-1] == 5  # 2.0 ** 1024 overflows


def test_a_message_without_an_answer_is_a_fault_before_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hanging, "HANGS_SECONDS", 0.1)
    broker = Broker()
    broker.gate.clear()
    box = outbox(broker)
    box.put("t", b"x")
    eventually(lambda: box.fault is not None)
    assert "no answer" in str(box.fault)
    broker.gate.set()
    assert box.close(5) == 0
    assert box.fault is None


def test_what_a_stop_leaves_unsent_is_sent_by_the_next_start(tmp_path: Path) -> None:
    broker, path = Broker(), tmp_path / "unsent.jsonl"
    broker.error = OSError("broker away")
    box = outbox(broker, backlog=Backlog(path))
    for payload in numbers(3):
        box.put("t", payload)
    eventually(lambda: box.counters.retried >= 1)
    assert box.close(0.1) == 3
    assert box.keep() == 3
    broker.error = None
    again = outbox(broker, backlog=Backlog(path))
    assert again.close(5) == 0
    assert broker.taken == numbers(3)
    assert (again.counters.accepted, again.counters.sent) == (3, 3)
    assert not path.exists()


def test_what_waits_while_the_broker_is_away_survives_a_kill(tmp_path: Path) -> None:
    broker, path = Broker(), tmp_path / "unsent.jsonl"
    broker.error = OSError("broker away")
    box = outbox(broker, backlog=Backlog(path))
    for payload in numbers(5):
        box.put("t", payload)
        eventually(lambda: box.waiting.in_memory == 0)
    # As after a kill: nothing is done with ``box`` any more before the next process reads.
    assert left_in(path) == [("t", payload) for payload in numbers(5)]
    broker.error = None
    eventually(lambda: box.counters.sent == 5)
    eventually(lambda: not path.exists())
    box.close(1)


def test_a_kill_while_the_queue_is_worked_off_repeats_nothing(tmp_path: Path) -> None:
    broker, path = Broker(), tmp_path / "unsent.jsonl"
    broker.error = OSError("broker away")
    box = outbox(broker, messages_a_second=20, backlog=Backlog(path))
    for payload in numbers(20):
        box.put("t", payload)
    eventually(lambda: box.waiting.in_memory == 0)
    broker.error = None
    eventually(lambda: len(broker.taken) >= 3)
    left = left_in(path)  # as after a kill
    taken = len(broker.taken)
    assert [payload for _, payload in left] in (numbers(20)[taken:], numbers(20)[taken - 1 :])
    assert len(left) < 20
    box.limit_rate(0)
    assert box.close(5) == 0


def test_what_waits_behind_a_message_that_hangs_survives_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "_KEEP_SECONDS", 0.05)
    broker, path = Broker(), tmp_path / "unsent.jsonl"
    broker.gate.clear()
    box = outbox(broker, backlog=Backlog(path))
    first, second, third = numbers(3)
    for payload in (first, second, third):
        box.put("t", payload)
    eventually(lambda: box.waiting.in_memory == 0)
    assert left_in(path) == [("t", first), ("t", second), ("t", third)]
    broker.gate.set()
    assert box.close(5) == 0
    assert not path.exists()


def test_a_disk_that_takes_no_backlog_is_reported_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "_RETRY_SECONDS", 0.05)
    broker, folder = Broker(), tmp_path / "none"
    broker.error = OSError("broker away")
    box = outbox(broker, backlog=Backlog(folder / "unsent.jsonl"))
    for payload in numbers(3):
        box.put("t", payload)
    eventually(lambda: box.counters.retried >= 5)
    assert caplog.text.count("in memory only") == 1
    assert box.keep() == 0
    folder.mkdir()
    eventually(lambda: len(left_in(folder / "unsent.jsonl")) == 3)
    broker.error = None
    assert box.close(5) == 0
    assert broker.taken == numbers(3)


def test_a_damaged_line_of_the_backlog_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "unsent.jsonl"
    path.write_bytes(b'["t", "good"]\n["t", 5]\nnot json\n["t"]\n\xff\n["t", "cut of')
    assert left_in(path) == [("t", b"good")]
    assert "5 damaged lines are left out" in caplog.text
    broker = Broker()
    broker.error = OSError("broker away")
    box = outbox(broker, backlog=Backlog(path))
    box.put("t", b"next")
    eventually(lambda: box.waiting.in_memory == 0)
    assert left_in(path) == [("t", b"good"), ("t", b"next")]
    broker.error = None
    assert box.close(5) == 0


def test_it_is_free_while_it_keeps_up() -> None:
    """What may be left out, such as a live picture, waits for no message and delays none."""
    broker = Broker()
    box = outbox(broker, capacity=100)
    assert box.is_free()
    broker.gate.clear()
    for payload in numbers(10):
        box.put("t", payload)
    assert box.is_free(), "a burst"
    box.put("t", b"one more")
    assert not box.is_free()
    broker.gate.set()
    eventually(box.is_free)
    broker.error = OSError("broker away")
    box.put("t", b"x")
    eventually(lambda: not box.is_free())
    broker.error = None
    eventually(box.is_free)
    assert box.close(5) == 0
