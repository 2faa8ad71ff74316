"""A disk with no room left, on a real file system that is too small."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.names import FEEDBACK_STATUS_TOPIC
from tests.component.conftest import FEEDBACK, Rig
from tests.local_core.support import eventually


@pytest.fixture
def small_disk(rig: Rig) -> Iterator[Path]:
    """A file system of 400 kB where the component keeps its samples."""
    folder = rig.work / "samples"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_no_sample_is_lost_while_the_disk_is_full(rig: Rig, small_disk: Path) -> None:
    rig.configure(feedbackConfiguration=FEEDBACK)
    rig.cloud.stop_part("s3")
    try:
        rig.start()
        rig.await_predictions(15)
        assert "samples are kept in memory, the disk takes none" in rig.log.read_text()
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
