from __future__ import annotations

import hashlib
import lzma
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from mli.cli.main import main
from models import packing, store
from models.packing import LARGE, pack, read_params, unpack, write_params
from models.store import (
    REPOSITORY,
    DamagedModelError,
    UnknownModelError,
    demo_models,
    unpacked,
)

WEIGHTS = np.random.default_rng(2).normal(0, 1, LARGE).astype(np.float32)
FILES = {"compiled.so", "compiled_model.json", "compiled.params", "compiled.meta", "SHA256SUMS"}


def listing(files: dict[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(d).hexdigest()}  {n}\n" for n, d in files.items()).encode()


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small packed model called ``tiny``, the only one that the store knows."""
    halved = pack(write_params({"w": WEIGHTS}))
    plain = {
        "compiled.meta": b"{}\n",
        "compiled.params": unpack(halved),
        "compiled.so": b"\x7fELF" * 4000,
        "compiled_model.json": b'{"nodes": []}',
    }
    files = {
        "compiled.meta": plain["compiled.meta"],
        "compiled.params.f16.xz": lzma.compress(halved),
        "compiled.so.xz": lzma.compress(plain["compiled.so"]),
        "compiled_model.json.xz": lzma.compress(plain["compiled_model.json"]),
        "SHA256SUMS": listing(plain),
    }
    files["SHA256SUMS.packed"] = listing(files)
    folder = tmp_path / "packed" / "tiny"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    monkeypatch.setattr(store, "_packed_root", lambda: folder.parent)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / "build/models").iterdir() if ".partial" in path.name]


def test_unpacks_a_plain_artifact(packed: Path, root: Path) -> None:
    folder = unpacked("tiny", root)
    assert folder == root / "build/models/tiny"
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "compiled.so").read_bytes() == b"\x7fELF" * 4000
    weights = read_params((folder / "compiled.params").read_bytes())["w"]
    assert np.array_equal(weights, WEIGHTS.astype(np.float16).astype(np.float32))
    assert leftovers(root) == []


def test_sha256sum_accepts_both_lists(packed: Path, root: Path) -> None:
    for folder, name in ((packed, "SHA256SUMS.packed"), (unpacked("tiny", root), "SHA256SUMS")):
        subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", name], cwd=folder, check=True
        )


def test_the_second_use_unpacks_nothing(
    packed: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = unpacked("tiny", root)
    identity = first.stat().st_ino
    monkeypatch.setattr(store, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert unpacked("tiny", root) == first
    assert first.stat().st_ino == identity


def test_a_wrong_name_is_refused_with_the_known_names(packed: Path, root: Path) -> None:
    with pytest.raises(
        UnknownModelError, match="no demo model 'resnet'; there are: tiny"
    ) as raised:
        unpacked("resnet", root)
    assert raised.type is UnknownModelError
    assert not root.exists()


@pytest.mark.parametrize("name", ["../tiny", "make", "", "."])
def test_a_path_is_no_name(packed: Path, root: Path, name: str) -> None:
    with pytest.raises(UnknownModelError):
        unpacked(name, root)


@pytest.mark.parametrize(
    "name", ["compiled.params.f16.xz", "compiled.so.xz", "compiled.meta", "SHA256SUMS"]
)
def test_a_truncated_packed_file_is_named(packed: Path, root: Path, name: str) -> None:
    path = packed / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedModelError) as raised:
        unpacked("tiny", root)
    assert str(raised.value).startswith(f"{path}: is truncated or changed")
    assert not (root / "build/models/tiny").exists()
    assert leftovers(root) == []


def test_a_missing_packed_file_is_named(packed: Path, root: Path) -> None:
    (packed / "compiled.so.xz").unlink()
    with pytest.raises(DamagedModelError, match=r"compiled\.so\.xz: is missing"):
        unpacked("tiny", root)


def test_swapped_digests_of_the_unpacked_files_are_noticed(packed: Path, root: Path) -> None:
    sums = packed / "SHA256SUMS"
    lines = [line.split("  ") for line in sums.read_text().splitlines()]
    lines[0][0], lines[1][0] = lines[1][0], lines[0][0]
    sums.write_text("".join("  ".join(line) + "\n" for line in lines))
    files = {p.name: p.read_bytes() for p in packed.iterdir() if p.name != "SHA256SUMS.packed"}
    (packed / "SHA256SUMS.packed").write_bytes(listing(files))
    with pytest.raises(DamagedModelError, match=r"compiled\.meta: is truncated or changed"):
        unpacked("tiny", root)
    assert not (root / "build/models/tiny").exists()


def test_a_packed_file_that_does_not_decompress_is_named(packed: Path, root: Path) -> None:
    (packed / "compiled.so.xz").write_bytes(b"not xz")
    files = {p.name: p.read_bytes() for p in packed.iterdir() if p.name != "SHA256SUMS.packed"}
    (packed / "SHA256SUMS.packed").write_bytes(listing(files))
    with pytest.raises(DamagedModelError, match=r"compiled\.so\.xz: cannot be unpacked"):
        unpacked("tiny", root)


@pytest.mark.parametrize("damage", ["truncate", "delete", "add", "relist"])
def test_a_damaged_artifact_is_replaced(packed: Path, root: Path, damage: str) -> None:
    folder = unpacked("tiny", root)
    if damage == "truncate":
        os.truncate(folder / "compiled.so", 100)
    elif damage == "delete":
        (folder / "compiled.params").unlink()
    elif damage == "add":
        (folder / "other.so").write_bytes(b"two libraries in one artifact do not load")
    else:  # what an older version of the model leaves behind: consistent, but not this one
        (folder / "compiled.meta").write_bytes(b"old")
        files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "SHA256SUMS"}
        (folder / "SHA256SUMS").write_bytes(listing(files))
    assert unpacked("tiny", root) == folder
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "SHA256SUMS").read_bytes() == (packed / "SHA256SUMS").read_bytes()
    assert (folder / "compiled.so").stat().st_size == 16000
    assert leftovers(root) == []


def test_an_interrupted_unpack_leaves_nothing_under_the_name_and_is_repeated(
    packed: Path, root: Path
) -> None:
    """Killed between two files: no folder by the name, and the next use clears up and succeeds."""
    process = multiprocessing.get_context("fork").Process(target=unpack_and_stall, args=(root,))
    process.start()
    deadline = time.monotonic() + 20
    while not list(root.glob("build/models/.tiny.partial.*/fresh/compiled.meta")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (root / "build/models/tiny").exists()
    assert leftovers(root)
    assert {path.name for path in unpacked("tiny", root).iterdir()} == FILES
    assert leftovers(root) == []


def unpack_and_stall(root: Path) -> None:
    # The weights follow compiled.meta.
    with mock.patch.object(packing, "unpack", side_effect=lambda _: time.sleep(60)):
        unpacked("tiny", root)


def test_processes_that_ask_at_once_all_get_the_whole_artifact(packed: Path, root: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    results: Queue[tuple[int, list[str]]] = context.Queue()
    processes = [
        context.Process(target=unpack_together, args=(root, barrier, results)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert [files for _, files in found] == [sorted(FILES)] * 4
    assert sum(count for count, _ in found) == 1, "unpacked more than once"
    assert leftovers(root) == []


def unpack_together(root: Path, barrier: Barrier, results: Queue[tuple[int, list[str]]]) -> None:
    def slowly(data: bytes) -> bytes:
        time.sleep(0.2)
        return unpack(data)

    with mock.patch.object(packing, "unpack", side_effect=slowly) as calls:
        barrier.wait()
        folder = unpacked("tiny", root)
    results.put((calls.call_count, sorted(path.name for path in folder.iterdir())))


def test_the_command_prints_one_folder_a_line(
    packed: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REPOSITORY", root)
    done = CliRunner().invoke(main, ["demo", "unpack", "tiny"])
    assert (done.exit_code, done.stdout) == (0, f"{root / 'build/models/tiny'}\n")
    done = CliRunner().invoke(main, ["demo", "unpack", "huge"])
    assert done.exit_code == 1
    assert "there are: tiny" in done.stderr


def test_the_committed_models_are_small_and_known() -> None:
    assert demo_models() == (
        "efficientnet-lite0-imagenet",
        "ssdlite-mobilenet-v2-coco",
        "ssdlite-mobilenet-v2-coco-onnx",
    )
    sizes = [
        path.stat().st_size
        for name in demo_models()
        for path in (REPOSITORY / "models" / name).iterdir()
    ]
    assert sum(sizes) < 25e6


@pytest.mark.parametrize("name", demo_models())
def test_a_committed_model_unpacks_and_its_second_use_is_quick(name: str, tmp_path: Path) -> None:
    folder = unpacked(name, tmp_path)
    files = {"model.onnx", "SHA256SUMS"} if name.endswith("-onnx") else FILES
    assert {path.name for path in folder.iterdir()} == files
    start = time.monotonic()
    unpacked(name, tmp_path)
    assert time.monotonic() - start < 0.5  # about 0.03; slack for a busy machine
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", [name for name in demo_models() if not name.endswith("-onnx")])
def test_a_committed_library_tells_nothing_of_where_it_was_made(name: str) -> None:
    code = lzma.decompress((REPOSITORY / "models" / name / "compiled.so.xz").read_bytes())
    assert not [path for path in (b"/tmp", b"/home", b"/root", b"/src") if path in code]


def test_unpacks_by_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mli", "demo", "unpack", demo_models()[0]],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"{REPOSITORY / 'build/models' / demo_models()[0]}\n"
