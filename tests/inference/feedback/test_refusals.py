"""Objects that their bucket refuses, and buckets that are slow, hold up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from inference import hanging
from inference.feedback import puts as puts_module
from inference.feedback.refusals import Refusals
from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader
from tests.waiting import eventually

from .support import MEGABYTE, Cloud, request


def test_thousands_of_refused_samples_are_put_in_order_at_once() -> None:
    refusals = Refusals()
    names = [f"{number}.sample" for number in range(20_000)]
    for name in names:
        refusals.refused(name, f"b/k/{name}", "b", "b/k/")
    refusals.refused(names[0], f"b/k/{names[0]}", "b", "b/k/")
    began = time.monotonic()
    assert sorted(names, key=refusals.tries)[-1] == names[0]
    assert time.monotonic() - began < 2
    assert refusals.forget(names[0]) == [f"b/k/{names[0]}"]
    assert refusals.tries(names[0]) == 0


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
    monkeypatch.setattr(hanging, "HANGS_SECONDS", 0.2)
    gate = threading.Event()
    begun: list[str] = []

    def put_object(
        bucket: str, key: str, body: bytes, content_type: str, about: Mapping[str, str]
    ) -> None:
        if bucket == "slow":
            begun.append(key)
            gate.wait(20)
        cloud.put_object(bucket, key, body, content_type, about)

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


def test_only_the_sample_that_a_slow_bucket_is_taking_is_kept_when_there_is_no_room(
    tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puts_module, "_PATIENCE_SECONDS", 0.01)
    gate, asked = threading.Event(), threading.Event()
    uploads: list[str] = []

    def put_object(
        bucket: str, key: str, body: bytes, content_type: str, about: Mapping[str, str]
    ) -> None:
        uploads.append(key)
        if len(uploads) == 1:
            asked.set()
            gate.wait(20)
            raise OSError("connection lost")
        cloud.put_object(bucket, key, body, content_type, about)

    spool = Spool(tmp_path, 8_000, memory=8_000)
    spool.add((request(0),), b"x" * 2_000)
    uploader = Uploader(spool, put_object, cloud.send, first_wait=30, longest_wait=30)
    assert asked.wait(10)
    for number in (1, 2):
        spool.add((request(number),), b"x" * 2_000)
    eventually(lambda: len(uploader._blocked_by) == 3)  # each was offered to the bucket
    assert [one.requests[0].id for one in spool.add((request(3),), b"x" * 2_000)] == ["id-1"]
    gate.set()
    eventually(lambda: uploader.faults == {"b": "connection lost"})
    assert [one.requests[0].id for one in spool.add((request(4),), b"x" * 2_000)] == ["id-0"]
    uploader.close(0.1)


def test_a_refused_sample_that_makes_room_takes_no_other_fault_of_its_bucket_with_it(
    tmp_path: Path,
    cloud: Cloud,
    start: Callable[[Spool], Uploader],
    caplog: pytest.LogCaptureFixture,
) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    cloud.refused = lambda bucket, key: key == "other/1.jpg"
    spool.add((request(0),), b"image")
    spool.add((request(1, key="other/1.jpg"),), b"image")
    uploader = start(spool)
    eventually(lambda: cloud.tries.count("other/1.jpg") > 1)
    cloud.missing_buckets = {"b"}
    spool.add((request(2),), b"image")
    uploader.wake()
    eventually(lambda: "NoSuchBucket" in uploader.faults.get("b", ""))
    refused = spool.names()[0]
    spool._drop(refused)
    eventually(lambda: refused not in uploader._blocked_by)
    tries = uploader.counters.failed_tries
    eventually(lambda: uploader.counters.failed_tries > tries + 1)
    assert caplog.text.count("samples wait for b: NoSuchBucket") == 1
