"""Samples on disk survive faults and restarts: none lost, none beyond the cap."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference import hanging
from inference.feedback import sample_writer
from inference.feedback.samples import Sample, decode, encode
from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader
from tests.disks import disk
from tests.waiting import eventually

from .support import MEGABYTE, Cloud, request


def test_a_sample_of_an_older_version_has_neither_mask_nor_metadata() -> None:
    written = {key: value for key, value in vars(request(1)).items() if key != "about"}
    head = {"bytes": 5, "requests": [written]}
    sample = decode("1.sample", json.dumps(head).encode() + b"\nimage")
    assert (sample.image, sample.mask) == (b"image", b"")
    assert sample.requests == (request(1),)


def test_the_metadata_of_a_sample_survives_the_disk(tmp_path: Path) -> None:
    described = replace(request(1), about={"core": "Demo", "predictions": '[["cup",0.9]]'})
    before = Spool(tmp_path, MEGABYTE)
    before.add((described, request(2)), b"image")
    assert before.sync(5)
    after = Spool(tmp_path, MEGABYTE)
    assert after.read(after.names()[0]).requests == (described, request(2))


def test_an_older_version_can_read_a_sample_with_metadata() -> None:
    described = replace(request(1), about={"core": "Demo"})
    head = json.loads(encode(Sample("1.sample", (described,), b"image")).partition(b"\n")[0])
    known = {"id", "bucket", "key", "content_type", "message"}
    assert [set(fields) for fields in head["requests"]] == [known]


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


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    for name in ("copy.sample", "notes.partial", "README"):
        (tmp_path / name).write_text("mine")
    spool = Spool(tmp_path, MEGABYTE)
    assert spool.add((request(1),), b"image") == []
    assert spool.sync(5)
    assert len(spool) == 1
    assert len(list(tmp_path.iterdir())) == 4


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
    monkeypatch.setattr(sample_writer, "_LOOK_SECONDS", 0.05)
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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cloud: Cloud,
    start: Callable[[Spool], Uploader],
) -> None:
    monkeypatch.setattr(sample_writer, "_LOOK_SECONDS", 0.05)
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

    folder = tmp_path / "samples"
    spool = Spool(folder, MEGABYTE)
    monkeypatch.setattr(os, "fsync", note)
    for number in range(5):
        spool.add((request(number),), b"image")
    assert not spool.sync(0.1)
    assert (spool.in_memory, spool.counters.kept) == (5, 0)
    gate.set()
    assert spool.sync(5)
    assert (spool.in_memory, spool.counters.kept) == (0, 5)
    assert [name for name in spool.names() if safe.get(name) != -1] == []
    assert all((folder / name).stat().st_size == safe[f"{name}.partial"] for name in spool.names())


def test_samples_that_are_kept_survive_a_power_cut(tmp_path: Path) -> None:
    with disk(tmp_path) as made:
        spool = Spool(made.folder / "samples", MEGABYTE)
        for number in range(25):
            spool.add((request(number),), b"image %d" % number)
        assert spool.sync(30)
        with made.after_power_cut() as folder:
            again = Spool(folder / "samples", MEGABYTE)
            images = [again.read(name).image for name in again.names()]
            again.close()
        assert images == [b"image %d" % number for number in range(25)]
        assert spool.close() == []


@pytest.mark.parametrize("left", [None, "00000000000000000002.sample.partial"])
def test_a_disk_that_hangs_at_the_start_delays_nothing(tmp_path: Path, left: str | None) -> None:
    """With and without the folder, which an earlier process has created."""
    with disk(tmp_path) as made:
        folder = made.folder / "samples"
        opened: list[Spool] = []
        if left is not None:
            folder.mkdir()
            (folder / left).write_bytes(b"cut off")
        assert not made.delays(lambda: opened.append(Spool(folder, MEGABYTE)))
        [spool] = opened
        assert spool.add((request(1),), b"image") == []
        assert spool.sync(30)
        assert [path.name for path in folder.iterdir()] == spool.names()
        assert spool.close() == []


def test_a_disk_that_hangs_delays_no_caller_and_drops_only_what_the_memory_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hanging, "HANGS_SECONDS", 0.1)
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
from inference.feedback.samples import SampleRequest
from inference.feedback.spool import Spool
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
