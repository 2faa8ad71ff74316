"""What ONNX Runtime does to its process: what it imports, its threads, and their use of cores."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from edge_functions import CODE_FOLDER
from inference.model.engines import threads
from tests.inference.conftest import WriteProfile
from tests.inference.tiny_onnx import (
    INPUT,
    SHAPE,
    mean_of_channels,
    model_of,
    opened,
    save,
    tensor,
)


def said_by(stderr: str) -> list[str]:
    """The lines but that of ONNX Runtime about a processor it does not know, as emulators are."""
    return [line for line in stderr.splitlines() if "cpuid_info" not in line]


def test_neither_engine_is_imported_for_the_other(tmp_path: Path) -> None:
    save(mean_of_channels(), tmp_path / "model.onnx")
    code = f"""
import sys
from pathlib import Path
from inference.model.artifacts.artifact import check_artifact
from inference.model.profiles.profile import load_profile
from inference.model.engines.runtime import open_runtime
import dataclasses
spec = dataclasses.replace(load_profile("gluoncv-ssd-voc").input, name="images", shape=(1, 3, 8, 8))
open_runtime(check_artifact(Path({str(tmp_path)!r})), spec).warm_up()
assert "onnxruntime" in sys.modules and "dlr" not in sys.modules
assert not [name for name in ("sympy", "coloredlogs", "google.protobuf") if name in sys.modules]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CODE_FOLDER, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, said_by(done.stderr)) == (0, "", [])


def test_threads_that_share_a_model_get_their_own_results(tmp_path: Path) -> None:
    model = opened(mean_of_channels(), tmp_path)
    wrong: list[float] = []

    def run(value: float) -> None:
        for _ in range(50):
            (scores,) = model.run(np.full(SHAPE, value, np.float32))
            if not np.allclose(scores, value):
                wrong.append(value)

    workers = [threading.Thread(target=run, args=(float(value),)) for value in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TVM_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3),
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"TVM_NUM_THREADS": "0"}, None),
        ({"TVM_NUM_THREADS": "many"}, None),
        ({}, None),
    ],
)
def test_threads_are_set_as_those_of_dlr(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: int | None
) -> None:
    for name in ("TVM_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    cores = len(os.sched_getaffinity(0))
    assert threads.model_threads() == expected or (
        expected is None and 1 <= threads.model_threads() <= cores
    )


def test_hardware_threads_of_one_core_count_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, siblings in enumerate(("0,2\n", "1,3\n", "0,2\n", "1,3\n")):
        (tmp_path / str(number)).write_text(siblings)
    monkeypatch.setattr(threads, "_SIBLINGS", str(tmp_path / "{}"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    for name in ("TVM_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert threads.model_threads() == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4})
    assert threads.model_threads() == 5  # as nothing is known of the last


AFFINITY = """
import os
from pathlib import Path
from inference.serving.assembly import build_stages
from inference.serving.loading import load_model
from inference.model.profiles.profile import load_profile
def all_threads():
    return {{tuple(sorted(os.sched_getaffinity(int(t)))) for t in os.listdir("/proc/self/task")}}
before, number = all_threads(), len(os.listdir("/proc/self/task"))
loaded = load_model(Path({folder!r}), Path("unused"), load_profile({profile!r}), "cpu")
assert all_threads() == before, (before, all_threads())
assert len(os.listdir("/proc/self/task")) > number
"""


def test_its_threads_run_on_every_core_that_the_process_was_given(
    tmp_path: Path, write_profile: WriteProfile
) -> None:
    save(mean_of_channels(), tmp_path / "model" / "model.onnx")
    profile = write_profile(input__name=INPUT, output__activation="logits")
    code = AFFINITY.format(folder=str(tmp_path / "model"), profile=str(profile))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CODE_FOLDER,
        env={**os.environ, "TVM_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said_by(done.stderr)) == (0, [])


def test_a_model_that_waits_does_not_use_the_processor(tmp_path: Path) -> None:
    """Threads that spin would use about a second of it here."""
    code = f"""
import time, dataclasses
from pathlib import Path
import numpy as np
from inference.model.artifacts.artifact import check_artifact
from inference.model.profiles.profile import load_profile
from inference.model.engines.runtime import open_runtime
shape = (1, 3, 256, 256)
spec = dataclasses.replace(load_profile("gluoncv-ssd-voc").input, name="images", shape=shape)
model = open_runtime(check_artifact(Path({str(tmp_path)!r})), spec)
model.warm_up()
before, runs = time.process_time(), 20
for _ in range(runs):
    model.run(np.ones(shape, np.float32))
    time.sleep(0.02)
busy = time.process_time() - before
for _ in range(runs):
    model.run(np.ones(shape, np.float32))
print((time.process_time() - before - busy) / busy)
"""
    rng = np.random.default_rng(7)
    weights = rng.standard_normal((16, 3, 3, 3)).astype(np.float32)
    model = model_of(
        [
            helper.make_node("Conv", [INPUT, "weights"], ["map"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["map"], ["scores"]),
        ],
        inputs=[tensor(INPUT, (1, 3, 256, 256))],
        weights=[numpy_helper.from_array(weights, "weights")],
    )
    save(model, tmp_path / "model.onnx")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CODE_FOLDER,
        env={**os.environ, "TVM_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) > 0.1  # about 0.05 with threads that spin, 0.2 and more without
