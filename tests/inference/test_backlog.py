"""The messages on disk: what there is room for, what makes room, and damage to the file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from edge_functions import CODE_FOLDER
from inference.backoff import Backoff
from inference.names import (
    FEEDBACK_PREDICTION_TOPIC,
    FEEDBACK_STATUS_TOPIC,
    prediction_topic,
    telemetry_topic,
)
from inference.outgoing import outbox as outbox_module
from inference.outgoing.backlog import Backlog
from inference.outgoing.kinds import KINDS
from inference.outgoing.lines import QueuedMessage
from inference.outgoing.outbox import Outbox
from tests.waiting import eventually

PREDICTIONS = prediction_topic("core1")
TELEMETRY = telemetry_topic("core1")


class Broker:
    """Takes messages unless it is away."""

    def __init__(self) -> None:
        self.taken: list[QueuedMessage] = []
        self.is_away = True

    def __call__(self, topic: str, payload: bytes) -> None:
        if self.is_away:
            raise OSError("broker away")
        self.taken.append((topic, payload))

    def on(self, topic: str) -> list[bytes]:
        return [payload for name, payload in self.taken if name == topic]


def outbox(broker: Broker, backlog: Backlog | None, capacity: int = 1_000) -> Outbox:
    return Outbox(broker, capacity=capacity, backoff=Backoff(first=0.01, cap=0.02), backlog=backlog)


def all_of(backlog: Backlog) -> list[QueuedMessage]:
    """Take everything from a backlog."""
    found = []
    while (message := backlog.take()) is not None:
        found.append(message)
        backlog.done()
    return found


def payload(number: int, size: int) -> bytes:
    return b'{"frame": %d, "rest": "%s"}' % (number, b"x" * size)


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
    assert box.waiting_by_kind["predictions"] == len(sent)
    most_in_memory = 0

    def is_sent() -> bool:
        nonlocal most_in_memory
        most_in_memory = max(most_in_memory, len(box._recent) + len(backlog._batch))
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


def test_without_a_disk_statuses_go_first_and_predictions_last() -> None:
    broker = Broker()
    box = outbox(broker, None, capacity=20)
    for number in range(20):
        box.put(PREDICTIONS, payload(number, 10))
        for _ in range(3):
            box.put(FEEDBACK_STATUS_TOPIC, b"{}")
    assert box.waiting_by_kind["predictions"] == 20
    assert box.dropped_by_kind["status"] >= 58
    assert box.dropped_by_kind["predictions"] == 0
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
    eventually(path.exists)
    path.unlink()
    box.put("t", b"later")
    broker.is_away = False
    assert box.close(5) == 0
    assert ("t", b"later") in broker.taken
    assert "unsent.jsonl cannot be read: 4 are gone" in caplog.text
    counters = box.counters
    assert counters.accepted == 6 == counters.sent + counters.dropped


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full_neither_loses_nor_repeats_a_message(small_disk: Path) -> None:
    broker = Broker()
    box = outbox(broker, Backlog(small_disk / "unsent.jsonl"))
    sent = [payload(number, 1_000) for number in range(200)]
    for one in sent:
        box.put("t", one)
        eventually(lambda: box.counters.retried > 0)
    assert len(box) == 200
    on_disk = all_of_file(small_disk / "unsent.jsonl")
    assert 20 < len(on_disk) < 64
    assert on_disk == [("t", one) for one in sent[: len(on_disk)]]
    broker.is_away = False
    assert box.close(20) == 0
    assert broker.on("t") == sent


def all_of_file(path: Path) -> list[QueuedMessage]:
    """Return what a process would find that starts now."""
    copy = path.parent.parent / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    return all_of(Backlog(copy))


WRITER = """
import sys
from pathlib import Path
from inference.outgoing import outbox as outbox_module
from inference.outgoing.backlog import Backlog
from inference.outgoing.outbox import Outbox
from inference.names import *
taken = []
def send(topic, payload):
    if len(taken) >= 300:
        raise OSError("broker away")
    taken.append(payload)
    print("sent", payload.decode(), flush=True)
box = Outbox(send, capacity=10, backlog=Backlog(Path(sys.argv[1])))
box._failure = "broker away"
number = 0
while True:
    box.put("t", b"%d" % number)
    print("accepted", number, flush=True)
    number += 1
"""


def test_kill_9_loses_nothing_that_was_accepted_while_messages_wait(tmp_path: Path) -> None:
    path = tmp_path / "unsent.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(CODE_FOLDER)},
        text=True,
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):
            lines.extend(process.stdout)

    reader = threading.Thread(target=read)
    reader.start()
    eventually(lambda: path.exists() and path.stat().st_size > 50_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reader.join()
    sent = {int(line.split()[1]) for line in lines if line.startswith("sent ")}
    accepted = {int(line.split()[1]) for line in lines if line.startswith("accepted ")}
    left = [int(one) for _, one in all_of(Backlog(path))]
    assert len(sent) > 0
    assert accepted <= sent | set(left)
    assert len(sent & set(left)) <= 1
    assert left == sorted(left)


def test_messages_on_disk_are_synced_by_a_thread_that_delays_no_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, str]] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((path.name, threading.current_thread().name))

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(outbox_module, "_SYNC_SECONDS", 0.02)
    box = outbox(Broker(), Backlog(tmp_path / "unsent.jsonl"))
    box.put(PREDICTIONS, b"{}")
    eventually(lambda: box.disk_bytes)
    eventually(lambda: {name for name, _ in synced} == {"unsent.jsonl", tmp_path.name})
    assert {thread for _, thread in synced} == {"sync"}
    count = len(synced)
    box.keep()
    time.sleep(0.1)
    assert len(synced) <= count + 2, "nothing is synced twice"
    box.close(0)


def test_a_file_that_is_written_again_is_synced_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda one: synced.append(Path(f"/proc/self/fd/{one}").resolve().name)
    )
    backlog = Backlog(tmp_path / "unsent.jsonl", limit=60_000)
    while not backlog.dropped:
        assert backlog.append([(PREDICTIONS, bytes(b"x" * 5_000))])
    assert synced == ["unsent.jsonl.partial"]
