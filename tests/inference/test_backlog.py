"""The messages on disk: what there is room for, what makes room, and damage to the file."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import IO

import pytest

from inference.names import (
    FEEDBACK_PREDICTION_TOPIC,
    FEEDBACK_STATUS_TOPIC,
    telemetry_topic,
)
from inference.outgoing.backlog import Backlog
from inference.outgoing.kinds import KINDS
from tests.waiting import eventually

from .outboxes import PREDICTIONS, Broker, all_of, outbox, payload

TELEMETRY = telemetry_topic("core1")


@pytest.mark.parametrize(("seconds_a_frame", "size"), [(5, 6_900), (1, 400)])
def test_an_outage_of_an_hour_loses_no_prediction(
    tmp_path: Path, seconds_a_frame: int, size: int
) -> None:
    broker, path = Broker(), tmp_path / "unsent.jsonl"
    backlog = Backlog(path)
    box = outbox(broker, backlog)
    sent = [payload(number, size) for number in range(3_600 // seconds_a_frame)]
    for one in sent:
        box.put(PREDICTIONS, one)
        for _ in range(3):
            box.put(FEEDBACK_STATUS_TOPIC, b'{"response": {"status": "success"}}')
    assert box.counters.dropped == 0
    assert box.waiting.by_kind["predictions"] == len(sent)
    most_in_memory = 0

    def is_sent() -> bool:
        nonlocal most_in_memory
        most_in_memory = max(most_in_memory, box.waiting.in_memory)
        return len(box) == 0

    broker.is_away = False
    eventually(is_sent)
    assert broker.on(PREDICTIONS) == sent
    assert len(broker.on(FEEDBACK_STATUS_TOPIC)) == 3 * len(sent)
    assert most_in_memory <= 1_000
    assert box.close(5) == 0
    assert not path.exists()


def test_on_a_full_disk_space_statuses_go_first_and_predictions_last(tmp_path: Path) -> None:
    path = tmp_path / "unsent.jsonl"
    backlog = Backlog(path, limit=60_000)
    topics = (PREDICTIONS, FEEDBACK_STATUS_TOPIC, FEEDBACK_PREDICTION_TOPIC, TELEMETRY)
    dropped = []
    for number in range(500):
        for topic in topics:
            assert backlog.append([(topic, payload(number, 100))])
            assert path.stat().st_size <= 60_000
        dropped.append({kind for kind, count in backlog.dropped.items() if count})
    orders = {tuple(kind for kind in KINDS if kind in some) for some in dropped}
    assert orders <= {KINDS[:count] for count in range(5)}
    left = [json.loads(one)["frame"] for topic, one in all_of(backlog) if topic == PREDICTIONS]
    assert left == list(range(backlog.dropped["predictions"], 500))
    assert len(left) > 200


def test_message_that_is_being_sent_is_not_dropped_for_room(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path / "unsent.jsonl", limit=10_000)
    assert backlog.append([(FEEDBACK_STATUS_TOPIC, payload(number, 400)) for number in range(15)])
    assert backlog.take() == (FEEDBACK_STATUS_TOPIC, payload(0, 400))
    assert backlog.append([(PREDICTIONS, payload(15, 4_000))])
    dropped = backlog.dropped["status"]
    assert 3 < dropped < 14
    assert backlog.size <= 10_000 - 10_000 // 4 + 500  # room for the next ones too
    backlog.done()
    left = [json.loads(one)["frame"] for _, one in all_of(backlog)]
    assert left == list(range(1 + dropped, 16))


def test_without_a_disk_statuses_go_first_and_predictions_last() -> None:
    broker = Broker()
    box = outbox(broker, None, capacity=20)
    for number in range(20):
        box.put(PREDICTIONS, payload(number, 10))
        for _ in range(3):
            box.put(FEEDBACK_STATUS_TOPIC, b"{}")
    assert box.waiting.by_kind["predictions"] == 20
    assert box.waiting.dropped_by_kind["status"] >= 58
    assert box.waiting.dropped_by_kind["predictions"] == 0
    broker.is_away = False
    assert box.close(5) == 0
    assert [json.loads(one)["frame"] for one in broker.on(PREDICTIONS)] == list(range(20))


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[" * 200_000,
        b'"ab"',
        b"\xff",
        b"\0" * 5_000,
        b'["t", 5, 1]',
        b"x" * 3_000_000,
    ],
    ids=lambda line: f"{line[:8]!r}-{len(line)}",
)
def test_a_damaged_line_affects_no_other_message(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "unsent.jsonl"
    first = Backlog(path)
    assert first.append([("t", b"one"), ("t", b"two"), ("t", b"three"), ("t", b"four")])
    assert first.take() == ("t", b"one")
    first.done()
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, *lines[1:]]) + b"\n")
    second = Backlog(path)
    assert "1 damaged lines are left out" in caplog.text
    assert second.take() == ("t", b"two")
    second.done()
    assert second.append([("t", b"five")])
    third = Backlog(path)
    assert len(third) == 3
    assert all_of(third) == [("t", b"three"), ("t", b"four"), ("t", b"five")]
    assert not path.exists()


def test_a_message_that_was_cut_off_does_not_damage_the_next(tmp_path: Path) -> None:
    path = tmp_path / "unsent.jsonl"
    assert Backlog(path).append([("t", b"one"), ("t", b"two")])
    path.write_bytes(path.read_bytes()[:-6])
    second = Backlog(path)
    assert second.append([("t", b"three")])
    assert all_of(Backlog(path)) == [("t", b"one"), ("t", b"three")]


def test_a_message_that_a_full_disk_cuts_off_is_not_left_half_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def cut(file: IO[bytes], data: bytes) -> None:
        file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "unsent.jsonl"
    backlog = Backlog(path)
    assert backlog.append([("t", b"one")])
    assert not caplog.text
    with monkeypatch.context() as full:
        full.setattr("inference.outgoing.backlog.write_all", cut)
        assert not backlog.append([("t", b"two")])
    assert backlog.append([("t", b"two again")])
    assert all_of(Backlog(path)) == [("t", b"one"), ("t", b"two again")]


def test_the_file_of_version_0_1_0_is_sent_too(tmp_path: Path) -> None:
    path = tmp_path / "unsent.jsonl"
    path.write_text('["t", "one"]\n["t", "two"]\n0\n')
    backlog = Backlog(path)
    assert backlog.take() == ("t", b"one")
    backlog.done()
    assert all_of(Backlog(path)) == [("t", b"two")]


def test_a_file_that_somebody_removes_costs_what_was_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker, path = Broker(), tmp_path / "unsent.jsonl"
    box = outbox(broker, Backlog(path))
    for number in range(5):
        box.put("t", b"%d" % number)
    eventually(lambda: box.waiting.in_memory == 0)
    path.unlink()
    box.put("t", b"later")
    broker.is_away = False
    assert box.close(5) == 0
    assert ("t", b"later") in broker.taken
    assert "unsent.jsonl cannot be read: 4 are gone" in caplog.text
    counters = box.counters
    assert counters.accepted == 6 == counters.sent + counters.dropped


def test_a_file_that_is_removed_while_a_message_is_sent_costs_none_that_follows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "unsent.jsonl"
    backlog = Backlog(path)
    assert backlog.append([("t", b"one"), ("t", b"two")])
    assert backlog.take() == ("t", b"one")
    path.unlink()
    backlog.done()
    assert backlog.append([("t", b"three")])
    assert all_of(backlog) == [("t", b"three")]
    assert sum(backlog.dropped.values()) == 1
