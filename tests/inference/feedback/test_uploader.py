"""Each sample is uploaded and reported once, whatever is away meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from inference.feedback import sample_writer
from inference.feedback.attempts import BROKER
from inference.feedback.samples import Sample
from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader
from inference.names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC
from tests.waiting import eventually

from .support import JPEG, MEGABYTE, Cloud, request


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

    def put_object(
        bucket: str, key: str, body: bytes, content_type: str, about: Mapping[str, str]
    ) -> None:
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


def test_a_disk_that_hangs_delays_an_upload_for_a_moment_only(
    tmp_path: Path,
    cloud: Cloud,
    start: Callable[[Spool], Uploader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda descriptor: gate.wait(20))
    monkeypatch.setattr(sample_writer, "_PATIENCE_SECONDS", 60.0)
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((request(1),), b"image")
    start(spool).wake()
    [name] = spool.names()
    assert not spool.is_ready(name)
    monkeypatch.setattr(sample_writer, "_PATIENCE_SECONDS", 0.0)
    eventually(lambda: cloud.ids_of_statuses() == ["id-1"])
    assert cloud.objects == [("b", "k/1.jpg")]
    assert not gate.is_set()
    gate.set()
    eventually(lambda: list(tmp_path.iterdir()) == [])


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
