"""Messages on a disk that is full or hangs, and after a ``kill -9`` or a power cut."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from edge_functions import CODE_FOLDER
from inference import hanging
from inference.names import (
    FEEDBACK_STATUS_TOPIC,
)
from inference.outgoing import waiting as waiting_module
from inference.outgoing.backlog import Backlog
from inference.outgoing.lines import QueuedMessage
from tests.disks import disk, tmpfs
from tests.waiting import eventually

from .outboxes import PREDICTIONS, Broker, all_of, outbox, payload


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    with tmpfs(tmp_path / "disk", 64) as folder:
        yield folder


def test_a_disk_that_is_full_neither_loses_nor_repeats_a_message(small_disk: Path) -> None:
    broker = Broker()
    box = outbox(broker, Backlog(small_disk / "unsent.jsonl"))
    sent = [payload(number, 1_000) for number in range(200)]
    for one in sent:
        box.put("t", one)
    eventually(lambda: box.waiting.disk_fault)
    assert len(box) == 200
    on_disk = all_of_file(small_disk / "unsent.jsonl")
    assert 20 < len(on_disk) < 64
    assert on_disk == [("t", one) for one in sent[: len(on_disk)]]
    broker.is_away = False
    assert box.close(20) == 0
    assert broker.on("t") == sent


def test_an_attempt_to_make_room_on_a_full_disk_takes_no_room(small_disk: Path) -> None:
    path = small_disk / "unsent.jsonl"
    backlog = Backlog(path, limit=50_000)
    assert backlog.append([("t", b"x" * 1_000)] * 45)
    free = shutil.disk_usage(small_disk).free
    assert not backlog.append([("t", b"x" * 10_000)])  # what stays needs more than is free
    assert shutil.disk_usage(small_disk).free == free
    (small_disk / "unsent.jsonl.partial").write_bytes(bytes(4_096))  # of a process that was killed
    assert len(Backlog(path)) == len(backlog)
    assert shutil.disk_usage(small_disk).free == free


def all_of_file(path: Path) -> list[QueuedMessage]:
    """Return what a process would find that starts now."""
    copy = path.parent.parent / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    return all_of(Backlog(copy))


WRITER = """
import sys, time
from pathlib import Path
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
for number in range(10**9):
    box.waiting.keep_on_disk(True)
    box.put("t", b"%d" % number)
    while number % 10 == 0 and box.waiting.in_memory:
        time.sleep(0.001)
    print("kept", number - number % 10, flush=True)
"""


def test_kill_9_loses_nothing_that_was_on_disk_while_messages_wait(tmp_path: Path) -> None:
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
    try:  # the file comes and goes while messages are sent, and remains after the 300th
        eventually(lambda: len(lines) > 1_000 and path.stat().st_size > 20_000)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        reader.join()
    sent = {int(line.split()[1]) for line in lines if line.startswith("sent ")}
    kept = max(int(line.split()[1]) for line in lines if line.startswith("kept "))
    left = [int(one) for _, one in all_of(Backlog(path))]
    assert len(sent) > 0
    assert set(range(kept + 1)) <= sent | set(left)
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
    monkeypatch.setattr(waiting_module, "_SYNC_SECONDS", 0.02)
    box = outbox(Broker(), Backlog(tmp_path / "unsent.jsonl"))
    box.put(PREDICTIONS, b"{}")
    eventually(lambda: box.waiting.disk_bytes)
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


def test_a_disk_that_hangs_while_messages_wait_delays_no_caller_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hanging, "HANGS_SECONDS", 0.3)
    broker = Broker()
    with disk(tmp_path) as made:
        box = outbox(broker, Backlog(made.folder / "unsent.jsonl"))
        sent = [payload(number, 100) for number in range(800)]
        for one in sent[:100]:
            box.put("t", one)
        eventually(lambda: box.waiting.in_memory == 0)
        made.freeze()

        def put_all() -> None:
            for one in sent[100:]:
                box.put("t", one)

        caller = threading.Thread(target=put_all, daemon=True)
        caller.start()
        caller.join(20)
        is_delayed = caller.is_alive()
        assert not is_delayed
        assert box.waiting.in_memory == 700
        eventually(lambda: "no answer for" in (box.waiting.disk_fault or ""))
        broker.is_away = False
        eventually(lambda: len(broker.taken) > 600)  # without those that the disk keeps back
        made.thaw()
        eventually(lambda: len(box) == 0)
        assert box.waiting.disk_fault is None
        assert sorted(broker.on("t")) == sorted(sent)
        assert box.counters.dropped == 0
        assert box.close(5) == 0


def test_while_the_disk_hangs_statuses_are_dropped_first_and_predictions_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "_PATIENCE_SECONDS", 0.1)
    broker = Broker()
    with disk(tmp_path) as made:
        box = outbox(broker, Backlog(made.folder / "unsent.jsonl"), capacity=100)
        box.put(PREDICTIONS, payload(0, 10))
        eventually(lambda: box.waiting.in_memory == 0)
        made.freeze()
        began = time.monotonic()
        for number in range(1, 121):
            box.put(PREDICTIONS, payload(number, 10))
            for _ in range(3):
                box.put(FEEDBACK_STATUS_TOPIC, b"{}")
        assert time.monotonic() - began < 10
        assert box.waiting.by_kind["status"] <= 20  # of the batch that the disk has
        assert 0 < box.waiting.dropped_by_kind["predictions"] <= 40
        made.thaw()
        broker.is_away = False
        assert box.close(20) == 0
        frames = [json.loads(one)["frame"] for one in broker.on(PREDICTIONS)]
        assert frames == sorted(set(frames))
        assert frames[-1] == 120


def test_the_end_sends_what_is_in_memory_while_the_disk_hangs_and_the_rest_if_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    with disk(tmp_path) as made:
        box = outbox(broker, Backlog(made.folder / "unsent.jsonl"))
        sent = [payload(number, 10) for number in range(100)]
        for one in sent[:50]:
            box.put("t", one)
        eventually(lambda: box.waiting.in_memory == 0)
        made.freeze()
        for one in sent[50:]:
            box.put("t", one)
        time.sleep(1.0)
        broker.is_away = False
        left: list[int] = []
        closing = threading.Thread(target=lambda: left.append(box.close(20)))
        closing.start()
        eventually(lambda: sent[-1] in broker.on("t"))
        assert sent[49] not in broker.on("t")
        made.thaw()
        closing.join()
        assert left == [0]
        assert sorted(broker.on("t")) == sorted(sent)


def test_messages_that_wait_survive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "_SYNC_SECONDS", 0.05)
    with disk(tmp_path) as made:
        box = outbox(Broker(), Backlog(made.folder / "unsent.jsonl"))
        sent = [("t", payload(number, 1_000)) for number in range(26)]
        for topic, one in sent:
            box.put(topic, one)

        def is_safe() -> bool:
            with made.after_power_cut() as folder:
                return all_of(Backlog(folder / "unsent.jsonl")) == sent

        eventually(is_safe)
        box.close(0)
