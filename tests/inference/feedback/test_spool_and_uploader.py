"""Samples survive faults and restarts: none lost, none twice, none beyond the cap."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.errors import RefusedError
from inference.feedback import puts as puts_module
from inference.feedback import spool as spool_module
from inference.feedback.samples import decode
from inference.feedback.spool import Sample, SampleRequest, Spool
from inference.feedback.uploader import BROKER, Uploader
from inference.names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC
from tests.waiting import eventually

MEGABYTE = 1 << 20
JPEG = "image/jpeg"


def request(number: int, bucket: str = "b", key: str | None = None) -> SampleRequest:
    message = {"source-ref": f"s3://{bucket}/{number}", "metadata": {"frame": str(number)}}
    return SampleRequest(f"id-{number}", bucket, key or f"k/{number}.jpg", "image/jpeg", message)


class Cloud:
    """A bucket and a broker that can be taken away."""

    def __init__(self) -> None:
        self.objects: list[tuple[str, str]] = []
        self.bodies: dict[str, tuple[bytes, str]] = {}
        self.messages: list[tuple[str, dict[str, object]]] = []
        self.missing_buckets: set[str] = set()
        self.refused: Callable[[str, str], bool] = lambda bucket, key: False
        self.tries: list[str] = []
        self.broker_away = False
        self._lock = threading.Lock()

    def put_object(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        if bucket in self.missing_buckets:
            raise OSError(f"NoSuchBucket: {bucket}")
        self.tries.append(key)
        if self.refused(bucket, key):
            raise RefusedError(f"AccessDenied: {key}")
        with self._lock:
            self.objects.append((bucket, key))
            self.bodies[key] = (body, content_type)

    def send(self, topic: str, payload: bytes) -> None:
        if self.broker_away:
            raise OSError("broker away")
        with self._lock:
            self.messages.append((topic, json.loads(payload)))

    def ids_of_statuses(self) -> list[object]:
        return [message["id"] for topic, message in self.messages if topic == FEEDBACK_STATUS_TOPIC]


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def start(cloud: Cloud) -> Iterator[Callable[[Spool], Uploader]]:
    started: list[Uploader] = []

    def begin(spool: Spool) -> Uploader:
        uploader = Uploader(
            spool,
            cloud.put_object,
            cloud.send,
            first_wait=0.01,
            longest_wait=0.05,
            refused_seconds=0.2,
        )
        started.append(uploader)
        return uploader

    yield begin
    for uploader in started:
        uploader.close(0.1)


def test_a_sample_is_uploaded_then_reported_then_forgotten(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    uploader = start(spool)
    eventually(lambda: len(spool) == 0)
    assert cloud.objects == [("b", "k/1.jpg")]
    assert [topic for topic, _ in cloud.messages] == [
        FEEDBACK_PREDICTION_TOPIC,
        FEEDBACK_STATUS_TOPIC,
    ]
    assert "publish-ts" in str(cloud.messages[0][1])
    assert uploader.counters.finished == 1
    eventually(lambda: list(tmp_path.iterdir()) == [])  # it may have been written meanwhile


def test_a_mask_is_uploaded_once_before_its_sample_also_after_a_restart(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1, key="k/1.jpg"), request(2, key="k/1.jpg")), b"image", b"mask")
    spool.close()
    uploader = start(Spool(tmp_path, MEGABYTE))
    eventually(lambda: uploader.counters.finished == 2)
    assert cloud.objects == [("b", "k/1.mask.png"), ("b", "k/1.jpg")]
    assert cloud.bodies == {"k/1.mask.png": (b"mask", "image/png"), "k/1.jpg": (b"image", JPEG)}
    assert uploader.counters.uploaded == 1


def test_a_mask_that_is_refused_for_good_ends_its_sample_as_a_failure(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    cloud.refused = lambda bucket, key: key.endswith(".mask.png")
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image", b"mask")
    uploader = start(spool)
    for number in range(2, 30):  # others are accepted, so that it is this object
        spool.add((request(number, key=f"other/{number}.jpg"),), b"image")
        uploader.wake()
        time.sleep(0.02)
    eventually(lambda: uploader.counters.refused == 1)
    assert cloud.objects[0][1].startswith("other/")
    assert ("b", "k/1.jpg") not in cloud.objects


def test_a_sample_of_an_older_version_has_no_mask(tmp_path: Path) -> None:
    head = {"bytes": 5, "requests": [vars(request(1))]}
    sample = decode("1.sample", json.dumps(head).encode() + b"\nimage")
    assert (sample.image, sample.mask) == (b"image", b"")


def test_requests_that_share_a_key_share_the_upload(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1, key="k/same.jpg"), request(2, key="k/same.jpg")), b"image")
    start(spool)
    eventually(lambda: len(spool) == 0)
    assert cloud.objects == [("b", "k/same.jpg")]
    assert cloud.ids_of_statuses() == ["id-1", "id-2"]


def test_a_bucket_that_is_gone_holds_up_only_its_own(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    cloud.missing_buckets.add("gone")
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1, bucket="gone"), request(2)), b"image")
    spool.add((request(3),), b"image")
    uploader = start(spool)
    eventually(lambda: len(cloud.objects) == 2 and len(spool) == 1)
    assert uploader.faults == {"gone": "NoSuchBucket: gone"}
    cloud.missing_buckets.clear()
    eventually(lambda: len(spool) == 0)
    assert sorted(cloud.ids_of_statuses(), key=str) == ["id-1", "id-2", "id-3"]
    assert len(cloud.objects) == len(set(cloud.objects)) == 3
    assert uploader.faults == {}


def test_a_broker_that_is_away_never_causes_a_second_upload(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    cloud.broker_away = True
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    uploader = start(spool)
    eventually(lambda: uploader.counters.failed_tries >= 3)
    assert BROKER in uploader.faults
    cloud.broker_away = False
    eventually(lambda: len(spool) == 0)
    assert cloud.objects == [("b", "k/1.jpg")]
    assert cloud.ids_of_statuses() == ["id-1"]


def test_a_status_that_fails_does_not_send_the_message_again(tmp_path: Path, cloud: Cloud) -> None:
    failing = [True]

    def send(topic: str, payload: bytes) -> None:
        if topic == FEEDBACK_STATUS_TOPIC and failing:
            failing.pop()
            raise OSError("broker away")
        cloud.send(topic, payload)

    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    uploader = Uploader(spool, cloud.put_object, send, first_wait=0.01, longest_wait=0.05)
    eventually(lambda: len(spool) == 0)
    uploader.close(1)
    assert [topic for topic, _ in cloud.messages] == [
        FEEDBACK_PREDICTION_TOPIC,
        FEEDBACK_STATUS_TOPIC,
    ]


def test_the_end_tries_a_bucket_once_more_however_long_it_is_to_be_left_alone(
    tmp_path: Path, cloud: Cloud
) -> None:
    cloud.missing_buckets.add("b")
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    uploader = Uploader(spool, cloud.put_object, cloud.send, first_wait=60, longest_wait=60)
    eventually(lambda: bool(uploader.faults))
    cloud.missing_buckets.clear()
    assert uploader.close(5) == 0
    assert cloud.ids_of_statuses() == ["id-1"]


def test_a_restart_takes_up_what_was_left_under_the_same_names(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    before = Spool(tmp_path, MEGABYTE)
    for number in range(3):
        before.add((request(number),), b"image")
    assert before.sync(5)
    spool = Spool(tmp_path, MEGABYTE)
    assert spool.names() == before.names()
    start(spool)
    eventually(lambda: len(spool) == 0)
    assert cloud.objects == [("b", f"k/{number}.jpg") for number in range(3)]


def test_the_oldest_sample_makes_room_and_is_handed_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000, memory=1_000)
    gone = [sample for number in range(4) for sample in spool.add((request(number),), bytes(200))]
    assert [sample.requests[0].id for sample in gone] == ["id-0", "id-1"]
    assert spool.size <= 1_000
    assert spool.sync(5)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == spool.size
    assert (spool.counters.kept, spool.counters.dropped) == (2, 2)


def test_a_sample_larger_than_the_spool_is_handed_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000, memory=1_000)
    [gone] = spool.add((request(1),), bytes(2_000))
    assert gone.requests[0].id == "id-1"
    assert len(spool) == 0


def test_names_go_up_even_when_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"first")
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    spool.add((request(2),), b"second")
    assert spool.sync(5)
    again = Spool(tmp_path, MEGABYTE)
    again.add((request(3),), b"third")
    images = [sample.image for name in again.names() if (sample := again.read(name))]
    assert images == [b"first", b"second", b"third"]


NO_METADATA = (
    b'{"bytes": 5, "requests": [{"id": "a", "bucket": "b", "key": "k", "content_type": "t", '
    b'"message": {}}]}\nimage'
)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b"[]\n", b"not json\nimage", b'{"bytes": 9}\nimage', NO_METADATA],
)
def test_a_damaged_sample_is_counted_and_left_out(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader], content: bytes
) -> None:
    tmp_path.joinpath("00000000000000000001.sample").write_bytes(content)
    tmp_path.joinpath("00000000000000000002.sample.partial").write_bytes(b"cut off")
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(3),), b"image")
    start(spool)
    eventually(lambda: len(spool) == 0)
    assert spool.counters.damaged == 1
    assert cloud.ids_of_statuses() == ["id-3"]
    eventually(lambda: list(tmp_path.iterdir()) == [])  # the file is removed after the entry


def test_a_sample_that_is_damaged_ends_its_requests(tmp_path: Path, cloud: Cloud) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1), request(2)), b"image")
    assert spool.sync(5)
    (tmp_path / spool.names()[0]).write_bytes(b"damaged")
    ended: list[str] = []
    uploader = Uploader(spool, cloud.put_object, cloud.send, on_finished=ended.append)
    eventually(lambda: len(spool) == 0)
    uploader.close(1)
    assert ended == ["id-1", "id-2"]
    assert cloud.objects == []


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    for name in ("copy.sample", "notes.partial", "README"):
        (tmp_path / name).write_text("mine")
    spool = Spool(tmp_path, MEGABYTE)
    assert spool.add((request(1),), b"image") == []
    assert spool.sync(5)
    assert len(spool) == 1
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_that_cannot_be_read_now_waits_and_holds_up_no_other(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    spool.add((request(2),), b"image")
    assert spool.sync(5)
    first = tmp_path / spool.names()[0]
    content = first.read_bytes()
    first.unlink()
    first.mkdir()  # reading it is an error, though not that it is gone
    start(spool)
    eventually(lambda: cloud.ids_of_statuses() == ["id-2"])
    first.rmdir()
    first.write_bytes(content)
    eventually(lambda: cloud.ids_of_statuses() == ["id-2", "id-1"])
    assert spool.counters.damaged == 0


def test_while_the_bucket_is_away_samples_are_not_read_again_and_again(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.missing_buckets.add("b")
    spool = Spool(tmp_path, MEGABYTE)
    for number in range(20):
        spool.add((request(number),), b"image")
    reads: list[str] = []
    read = spool.read

    def noted(name: str) -> Sample:
        reads.append(name)
        return read(name)

    monkeypatch.setattr(spool, "read", noted)
    uploader = Uploader(spool, cloud.put_object, cloud.send, first_wait=30, longest_wait=30)
    for _ in range(5):
        uploader.wake()
        time.sleep(0.05)
    uploader.close(0.1)
    assert len(reads) <= 21  # each once, and one when it is tried a last time at the end


def test_a_sample_that_is_being_uploaded_does_not_make_room(tmp_path: Path) -> None:
    gate, begun = threading.Event(), threading.Event()

    def put_object(bucket: str, key: str, body: bytes, content_type: str) -> None:
        begun.set()
        gate.wait(5)

    spool = Spool(tmp_path, 1_000, memory=1_000)
    spool.add((request(0),), bytes(200))
    statuses: list[bytes] = []
    uploader = Uploader(spool, put_object, lambda topic, payload: statuses.append(payload))
    assert begun.wait(5)
    gone = [sample for number in (1, 2, 3) for sample in spool.add((request(number),), bytes(200))]
    assert [sample.requests[0].id for sample in gone] == ["id-1", "id-2"]
    gate.set()
    assert uploader.close(5) == 0
    assert b"id-0" in b"".join(statuses)


def test_a_folder_that_takes_nothing_leaves_samples_in_memory(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("where the folder should be")
    spool = Spool(blocked, 4_000)
    assert spool.add((request(1),), bytes(500)) == []
    [too_large] = spool.add((request(2),), bytes(900))
    [oldest] = spool.add((request(3),), bytes(500))
    assert (too_large.requests[0].id, oldest.requests[0].id) == ("id-2", "id-1")
    assert not spool.sync(5)
    assert spool.fault is not None
    start(spool)
    eventually(lambda: len(spool) == 0)
    assert cloud.ids_of_statuses() == ["id-3"]


def test_what_is_in_memory_goes_to_disk_when_the_disk_takes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_LOOK_SECONDS", 0.05)
    folder = tmp_path / "samples"
    folder.write_text("in the way")
    spool = Spool(folder, MEGABYTE)
    spool.add((request(1),), b"image")
    eventually(lambda: spool.fault)
    folder.unlink()
    eventually(lambda: spool.in_memory == 0)
    eventually(lambda: spool.fault is None)
    assert [path.name for path in folder.iterdir()] == spool.names()
    assert spool.read(spool.names()[0]).image == b"image"


def test_a_disk_that_has_room_again_is_found_without_a_new_sample(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    folder = tmp_path / "samples"
    folder.write_text("in the way")
    spool = Spool(folder, MEGABYTE)
    spool.add((request(1),), b"image")
    assert not spool.sync(5)
    start(spool)
    eventually(lambda: len(spool) == 0)
    assert spool.fault is not None
    folder.unlink()
    eventually(lambda: spool.fault is None)
    assert list(folder.iterdir()) == []


def test_the_end_puts_on_disk_what_is_in_memory_and_hands_back_what_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.write_text("in the way")
    spool = Spool(folder, MEGABYTE)
    spool.add((request(1),), b"first")
    folder.unlink()
    assert spool.close() == []
    assert len(Spool(folder, MEGABYTE)) == 1
    folder = tmp_path / "others"
    folder.write_text("in the way")
    spool = Spool(folder, MEGABYTE)
    spool.add((request(2),), b"second")
    [lost] = spool.close()
    assert lost.requests[0].id == "id-2"
    assert spool.counters.dropped == 1


def test_close_stops_in_time_and_says_how_many_are_left(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    cloud.missing_buckets.add("b")
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    uploader = start(spool)
    started = time.monotonic()
    assert uploader.close(1.0) == 1
    assert time.monotonic() - started < 2


def test_samples_of_a_prefix_that_is_refused_now_do_not_hold_up_those_of_the_new_one(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    cloud.refused = lambda bucket, key: key.startswith("old/")
    spool = Spool(tmp_path, MEGABYTE)
    for number in range(10):
        spool.add((request(number, key=f"old/{number}"),), b"image")
    spool.add((request(10, key="new/10"),), b"image")
    uploader = start(spool)
    eventually(lambda: cloud.objects == [("b", "new/10")])
    before = cloud.tries.index("new/10")
    assert before <= 2, "the refused prefix is tried with two samples, not with each"
    eventually(lambda: list(uploader.faults) == ["b/old/"])  # the bucket accepts
    cloud.refused = lambda bucket, key: False
    eventually(lambda: len(spool) == 0 and uploader.faults == {})


def test_a_refused_key_does_not_hold_up_the_others_of_its_prefix(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    cloud.refused = lambda bucket, key: int(key[2:-4]) < 5
    spool = Spool(tmp_path, MEGABYTE)
    for number in range(10):
        spool.add((request(number),), b"image")
    start(spool)
    eventually(lambda: len(cloud.objects) == 5)


def test_what_is_refused_for_good_ends_as_a_failure(tmp_path: Path, cloud: Cloud) -> None:
    cloud.refused = lambda bucket, key: key == "k/0.jpg"
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(0),), b"image")
    ended: list[str] = []
    uploader = Uploader(
        spool,
        cloud.put_object,
        cloud.send,
        on_finished=ended.append,
        first_wait=0.01,
        longest_wait=0.02,
        refused_seconds=0.2,
    )
    eventually(lambda: cloud.tries.count("k/0.jpg") > 20)
    assert len(spool) == 1, "no other sample was accepted: it may be the bucket"
    assert uploader.faults == {"b": "AccessDenied: k/0.jpg"}
    spool.add((request(1),), b"image")
    uploader.wake()
    eventually(lambda: len(spool) == 0)
    uploader.close(1)
    statuses = {message["id"]: message["response"] for topic, message in cloud.messages[-2:]}
    failed = statuses["id-0"]
    assert isinstance(failed, dict)
    assert (failed["status"], failed["error"]) == ("fail", "RefusedError")
    assert (uploader.counters.finished, uploader.counters.refused) == (1, 1)
    assert sorted(ended) == ["id-0", "id-1"]
    assert uploader.faults == {}


def test_a_bucket_that_refuses_everything_is_a_fault_and_loses_nothing(
    tmp_path: Path, cloud: Cloud, start: Callable[[Spool], Uploader]
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    uploader = start(spool)
    spool.add((request(0),), b"image")
    eventually(lambda: len(spool) == 0)
    cloud.refused = lambda bucket, key: True
    for number in range(1, 4):
        spool.add((request(number),), b"image")
    uploader.wake()
    eventually(lambda: "b" in uploader.faults)
    time.sleep(0.5)  # longer than an object is tried
    assert len(spool) == 3
    cloud.refused = lambda bucket, key: False
    eventually(lambda: len(spool) == 0)
    assert len(set(cloud.objects)) == len(cloud.objects) == 4
    assert uploader.faults == {}


def test_a_slow_bucket_holds_up_no_other_and_is_stored_to_once(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puts_module, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(puts_module, "HANGS_SECONDS", 0.2)
    gate = threading.Event()
    begun: list[str] = []

    def put_object(bucket: str, key: str, body: bytes, content_type: str) -> None:
        if bucket == "slow":
            begun.append(key)
            gate.wait(20)
        cloud.put_object(bucket, key, body, content_type)

    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(0, bucket="slow"), request(1)), b"image")
    spool.add((request(2, bucket="slow"),), b"image")
    spool.add((request(3),), b"image")
    uploader = Uploader(spool, put_object, cloud.send, first_wait=0.01, longest_wait=0.05)
    eventually(lambda: cloud.objects == [("b", "k/1.jpg"), ("b", "k/3.jpg")])
    eventually(lambda: "no answer for" in uploader.faults.get("slow", ""))
    assert begun == ["k/0.jpg"]
    gate.set()
    eventually(lambda: len(spool) == 0)
    assert begun == ["k/0.jpg", "k/2.jpg"]
    assert uploader.faults == {}
    assert uploader.counters.failed_tries == 0
    uploader.close(1)


def test_a_sample_counts_as_kept_only_when_a_power_cut_would_not_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    safe: dict[str, int] = {}
    fsync = os.fsync

    def note(descriptor: int) -> None:
        gate.wait(20)
        fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            safe.update({one.name: -1 for one in path.iterdir() if f"{one.name}.partial" in safe})
        else:
            safe[path.name] = path.stat().st_size

    monkeypatch.setattr(os, "fsync", note)
    folder = tmp_path / "samples"
    spool = Spool(folder, MEGABYTE)
    for number in range(5):
        spool.add((request(number),), b"image")
    assert not spool.sync(0.1)
    assert (spool.in_memory, spool.counters.kept) == (5, 0)
    gate.set()
    assert spool.sync(5)
    assert (spool.in_memory, spool.counters.kept) == (0, 5)
    assert [name for name in spool.names() if safe.get(name) != -1] == []
    assert all((folder / name).stat().st_size == safe[f"{name}.partial"] for name in spool.names())


def test_a_disk_that_hangs_delays_no_caller_and_drops_only_what_the_memory_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_HANGS_SECONDS", 0.1)
    gate = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda descriptor: gate.wait(20))
    spool = Spool(tmp_path, 40_000)
    began = time.monotonic()
    gone = [one for number in range(30) for one in spool.add((request(number),), bytes(1_000))]
    assert time.monotonic() - began < 5
    assert [one.requests[0].id for one in gone] == [f"id-{n}" for n in range(len(gone))]
    assert spool.counters.dropped == len(gone) > 0
    assert spool.in_memory == 30 - len(gone)
    assert spool.in_memory * 1_000 <= 10_000
    eventually(lambda: "no answer for" in (spool.fault or ""))
    gate.set()
    assert spool.sync(5)
    eventually(lambda: spool.fault is None)
    assert sorted(path.name for path in tmp_path.iterdir()) == spool.names()


KILLED = """
import sys
from pathlib import Path
from inference.feedback.spool import SampleRequest, Spool
spool = Spool(Path(sys.argv[1]), 1 << 30)
for number in range(10**9):
    name = f"{sys.argv[2]}-{number}"
    spool.add((SampleRequest(name, "b", name, "t", {"metadata": {}}),), bytes(50_000))
    assert spool.sync(60)
    print(number, flush=True)
"""


def test_kill_9_at_any_moment_loses_no_sample_that_was_kept(tmp_path: Path) -> None:
    kept = 0
    for run in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(run)],
            cwd=CODE_FOLDER,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.003 * run)
            os.kill(process.pid, signal.SIGKILL)
            kept += 1 + len(process.stdout.read().splitlines())
    spool = Spool(tmp_path, 1 << 30)
    samples = [spool.read(name) for name in spool.names()]
    assert spool.counters.damaged == 0
    ids = [sample.requests[0].id for sample in samples if sample is not None]
    assert len(ids) == len(set(ids))
    assert kept <= len(ids) <= kept + 8
