"""Machines that are not what ``uname`` says, and processes that may not use all of their cores."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.errors import ModelError
from inference.model.artifacts import elf
from inference.model.artifacts.artifact import check_artifact
from models import store

NAME = "efficientnet-lite0-imagenet"


def executable(path: Path, *, bits: int, machine: int) -> Path:
    """Write a file with the header of a program."""
    header = bytearray(64)
    header[:6] = b"\x7fELF" + bytes([bits // 32, 1])
    struct.pack_into("<H", header, 18, machine)
    path.write_bytes(bytes(header))
    return path


def set_machine(library: Path, machine: int) -> None:
    with library.open("r+b") as stream:
        stream.seek(18)
        stream.write(struct.pack("<H", machine))


@pytest.mark.parametrize(
    ("bits", "machine", "name"), [(32, 3, "i686"), (32, 40, "armv7l"), (64, 183, "aarch64")]
)
def test_a_model_is_compared_with_the_python_that_loads_it(
    tmp_path: Path,
    classifier: Path,
    monkeypatch: pytest.MonkeyPatch,
    bits: int,
    machine: int,
    name: str,
) -> None:
    """A system of 32 bits on a kernel of 64, for example, where uname says x86_64."""
    python = executable(tmp_path / "python3", bits=bits, machine=machine)
    monkeypatch.setattr(elf, "_INTERPRETER", python)
    with pytest.raises(ModelError, match=f"is compiled for x86_64, this Python is for {name}"):
        check_artifact(store.unpacked(NAME))
    (classifier / "SHA256SUMS").unlink()
    set_machine(classifier / "compiled.so", machine)
    assert check_artifact(classifier).input_shapes


AFFINITY = """
import os, threading
from pathlib import Path
from inference.serving.loading import load_model
from inference.model.profiles.profile import load_profile
def all_threads():
    return {{tuple(sorted(os.sched_getaffinity(int(t)))) for t in os.listdir("/proc/self/task")}}
before = all_threads()
load_model(Path({folder!r}), Path("unused"), load_profile({name!r}), "cpu")
assert all_threads() == before, (before, all_threads())
"""


@pytest.mark.parametrize("cores", [os.sched_getaffinity(0), {max(os.sched_getaffinity(0))}])
def test_a_model_runs_on_the_cores_that_its_process_was_given(cores: set[int]) -> None:
    code = AFFINITY.format(folder=str(store.unpacked(NAME)), name=NAME)
    environment = {key: value for key, value in os.environ.items() if "TVM" not in key}
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, cores)), sys.executable, "-c", code],
        cwd=CODE_FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
