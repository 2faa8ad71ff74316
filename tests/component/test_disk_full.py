"""A disk with no room left, on a real file system that is too small."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.names import FEEDBACK_STATUS_TOPIC, telemetry_topic
from tests.component.conftest import CORE, FEEDBACK, Rig
from tests.disks import disk, tmpfs
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(rig: Rig) -> Iterator[Path]:
    """A file system of 400 kB where the component keeps its samples."""
    with tmpfs(rig.work / "samples", 400) as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Take all the room that is left in ``folder``, and return the file that has it."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    return filler


def test_a_full_disk_is_named_and_is_used_again_when_it_has_room(
    rig: Rig, small_disk: Path
) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    rig.start()
    rig.await_predictions(3)
    # A sample that was on its way out may leave room: it is taken as well.
    eventually(lambda: fill(small_disk) and rig.faults() == ["no disk"], seconds=10)
    rig.await_predictions(3)
    fill(small_disk).unlink()
    eventually(lambda: rig.faults() == [], seconds=15)
    assert rig.stop() == 0
    statuses = [s["response"]["status"] for s in rig.broker.on(FEEDBACK_STATUS_TOPIC)]
    assert statuses == ["success"] * len(rig.predictions())
    assert len(set(rig.samples())) == len(statuses)


def test_samples_that_neither_disk_nor_bucket_took_before_the_end_are_reported(
    rig: Rig, small_disk: Path
) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    rig.cloud.stop_part("s3")
    try:
        fill(small_disk)
        rig.start()
        rig.await_predictions(5)
        assert rig.stop() == 0
    finally:
        rig.cloud.start_part("s3")
    count = len(rig.predictions())
    statuses = rig.broker.on(FEEDBACK_STATUS_TOPIC)
    assert [s["response"]["error"] for s in statuses] == ["Spool.Full"] * count
    assert len({s["id"] for s in statuses}) == count
    assert rig.broker.on(telemetry_topic(CORE))[-1]["feedback"]["failed"] == count
    assert f"{count} samples in memory are lost: [Errno 28]" in rig.log.read_text()


def test_no_sample_is_lost_while_the_disk_is_full(rig: Rig, small_disk: Path) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    rig.cloud.stop_part("s3")
    try:
        rig.start()
        rig.await_predictions(15)
        assert "samples are kept in memory, because the disk rejects them" in rig.log.read_text()
        on_disk = [path.stat().st_size for path in small_disk.iterdir()]
        assert 0 < sum(on_disk) <= 400 << 10
        assert not list(small_disk.glob("*.partial"))
        before = len(rig.predictions())
    finally:
        rig.cloud.start_part("s3")
    eventually(lambda: len(rig.samples()) >= before, seconds=20)
    assert rig.stop() == 0
    statuses = [s["response"] for s in rig.broker.on(FEEDBACK_STATUS_TOPIC)]
    assert {status["status"] for status in statuses} == {"success"}
    assert len(statuses) == len(rig.predictions()) == len(set(rig.samples()))


def test_a_component_starts_again_on_a_disk_that_has_become_read_only(
    rig: Rig, tmp_path: Path
) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    with disk(tmp_path / "ro") as made:
        rig.work, rig.model = made.folder / "work", rig.model / "model.onnx"
        rig.work.mkdir()
        rig.start()
        rig.await_predictions(3)
        assert rig.stop() == 0
        made.make_read_only()
        rig.start()
        rig.await_predictions(3)
        eventually(lambda: rig.faults() == ["no disk"])
        assert rig.stop() == 0
