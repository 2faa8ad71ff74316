"""A process that ends between any two steps of a sample leaves no object without its status."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from inference.feedback import sample_writer
from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader
from inference.names import FEEDBACK_PREDICTION_TOPIC
from tests.disks import disk
from tests.waiting import eventually

from .support import MEGABYTE, Cloud, request

UPLOADED, PUBLISHED, REPORTED, REMOVED = "uploaded", "published", "reported", "removed"


class InterruptedCloud(Cloud):
    """Calls ``reached`` with each step of a sample, before the uploader knows of its success."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        super().__init__()
        self._reached = reached

    def put_object(
        self, bucket: str, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        super().put_object(bucket, key, body, content_type, metadata)
        self._reached(UPLOADED)

    def send(self, topic: str, payload: bytes) -> None:
        super().send(topic, payload)
        self._reached(PUBLISHED if topic == FEEDBACK_PREDICTION_TOPIC else REPORTED)


@contextmanager
def kill(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Yield a folder, and what copies to ``copy`` what a ``kill -9`` would leave in it."""
    folder = tmp_path / "samples"
    yield folder, lambda: _copy(folder, tmp_path)


@contextmanager
def power_cut(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Yield a folder, and what copies to ``copy`` what a power cut would leave in it."""
    with disk(tmp_path) as made:

        def copy() -> None:
            with made.after_power_cut() as left:
                _copy(left / "samples", tmp_path)

        yield made.folder / "samples", copy


def _copy(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    if folder.exists():
        shutil.copytree(folder, tmp_path / "copy" / "samples")


@pytest.mark.parametrize(
    ("end", "step", "messages", "statuses"),
    [
        (kill, UPLOADED, 1, 1),
        (kill, PUBLISHED, 2, 1),
        (kill, REPORTED, 2, 2),
        (kill, REMOVED, 1, 1),
        (power_cut, UPLOADED, 1, 1),
        (power_cut, PUBLISHED, 2, 1),
        (power_cut, REPORTED, 2, 2),
        (power_cut, REMOVED, 2, 2),  # the removal was not synced
    ],
)
def test_an_object_gets_its_status_and_no_second_object_whenever_a_process_ends(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Path], AbstractContextManager[tuple[Path, Callable[[], None]]]],
    step: str,
    messages: int,
    statuses: int,
) -> None:
    seen: list[str] = []
    left: list[Cloud] = []

    def reached(now: str) -> None:
        seen.append(now)
        if now == step:
            copy_disk()
            left.append(_copied(cloud))

    cloud = InterruptedCloud(reached)
    _let_the_bucket_win(monkeypatch, lambda: UPLOADED in seen)
    with end(tmp_path) as (folder, copy_disk):
        spool = Spool(folder, MEGABYTE)
        uploader = Uploader(spool, cloud.put_object, cloud.send)
        spool.add((request(1),), b"image")
        uploader.wake()
        eventually(lambda: len(spool) == 0)
        eventually(lambda: list(folder.iterdir()) == [])
        reached(REMOVED)
        uploader.close(5)
        spool.close()
    after = _next_process(tmp_path / "copy" / "samples", left[0])
    assert set(after.objects) == {("b", "k/1.jpg")}
    assert len(_on(after, FEEDBACK_PREDICTION_TOPIC)) == messages
    assert after.ids_of_statuses() == ["id-1"] * statuses


def _let_the_bucket_win(monkeypatch: pytest.MonkeyPatch, is_uploaded: Callable[[], bool]) -> None:
    """Make the disk slower than a bucket: each sync waits for an upload that does not wait."""
    fsync, never = os.fsync, threading.Event()

    def slow(descriptor: int) -> None:
        for _ in range(10):
            if not is_uploaded():
                never.wait(0.01)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr(sample_writer, "_PATIENCE_SECONDS", 60.0)


def _copied(cloud: Cloud) -> Cloud:
    copy = Cloud()
    copy.objects, copy.messages = list(cloud.objects), list(cloud.messages)
    return copy


def _next_process(folder: Path, cloud: Cloud) -> Cloud:
    """Process what the disk holds, in a cloud that has what arrived before."""
    spool = Spool(folder, MEGABYTE)
    uploader = Uploader(spool, cloud.put_object, cloud.send)
    eventually(lambda: len(spool) == 0)
    uploader.close(5)
    spool.close()
    return cloud


def _on(cloud: Cloud, topic: str) -> list[dict[str, Any]]:
    return [message for name, message in cloud.messages if name == topic]
