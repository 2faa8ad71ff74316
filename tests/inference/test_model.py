"""The guards around DLR, each on the real runtime with a real model."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import ModelError
from inference.model.artifacts.artifact import ModelArtifact, check_artifact
from inference.model.artifacts.digests import DIGESTS_FILE
from inference.model.engines.dlr import DlrModel
from inference.model.engines.trying import try_in_child, why_it_fails
from inference.model.profiles.profile import load_profile
from inference.pipeline.pipeline import Pipeline
from inference.serving import loading
from inference.serving.assembly import build_stages
from inference.serving.loading import load_model
from inference.settings import InferenceSettings
from inference.sources import FileSource
from models import packing, store

NAME = "efficientnet-lite0-imagenet"
SPEC = load_profile(NAME).input


@pytest.fixture(scope="module")
def model() -> DlrModel:
    return DlrModel(check_artifact(store.unpacked(NAME)), SPEC)


def tensor(seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(SPEC.shape).astype(np.float32)


def test_versions_of_package_and_library_are_known(model: DlrModel) -> None:
    assert model.versions.keys() == {"dlr", "libdlr"}
    assert model.versions["libdlr"][0].isdigit()


def test_warm_up_returns_the_outputs(model: DlrModel) -> None:
    [logits] = model.warm_up()
    assert logits.shape == (1, 1000)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 224, 224), np.float32),
        np.zeros((1, 224, 224, 3), np.float32),
        np.zeros((1, 3, 224, 223), np.float32),
        np.zeros((1, 3, 224, 224), np.float64),
        np.zeros((1, 3, 224, 224), np.uint8),
    ],
    ids=["no batch", "NHWC", "one column short", "float64", "uint8"],
)
def test_what_dlr_would_take_silently_is_refused(model: DlrModel, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"the model takes float32 \[1, 3, 224, 224\]"):
        model.run(wrong)


def test_a_model_whose_outputs_are_not_finite_is_refused_after_ten_frames(classifier: Path) -> None:
    """What a bad compilation gives: one infinite bias in the last layer."""
    (classifier / DIGESTS_FILE).unlink()
    params = classifier / "compiled.params"
    arrays = {
        name: np.full_like(array, np.inf) if 1000 in array.shape[-1:] else array
        for name, array in packing.read_params(params.read_bytes()).items()
    }
    params.write_bytes(packing.write_params(arrays))
    loaded = load_model(classifier, classifier, load_profile(NAME), "cpu")
    settings = InferenceSettings(core_name="test", inference_interval=0)
    source = FileSource("static", repeat=True)
    run = Pipeline(build_stages(settings, loaded, [], source=source))
    with pytest.raises(ModelError, match=r"failed on 10 frames in a row: .* is not finite"):
        run.run(frames=20)
    assert run.counters.failed == 10


def test_threads_that_share_a_model_get_their_own_results(model: DlrModel) -> None:
    inputs = [tensor(seed) for seed in range(4)]
    expected = [model.run(one)[0].copy() for one in inputs]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(10):
            if not np.array_equal(model.run(inputs[index])[0], expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_outputs_are_the_caller_s_own(model: DlrModel) -> None:
    first = model.run(tensor(1))[0]
    kept = first.copy()
    model.run(tensor(2))
    np.testing.assert_array_equal(first, kept)


def test_a_wrong_input_name_is_reported_with_the_right_one() -> None:
    artifact = check_artifact(store.unpacked(NAME))
    with pytest.raises(ModelError, match=r"has the inputs data, but the profile says input image"):
        DlrModel(artifact, replace(SPEC, name="image"))
    blind = replace(artifact, input_shapes={})
    with pytest.raises(ModelError, match=r"has the inputs data, but the profile says input image"):
        DlrModel(blind, replace(SPEC, name="image"))


def test_the_name_of_a_weight_is_no_input_name() -> None:
    artifact = replace(check_artifact(store.unpacked(NAME)), input_shapes={})
    with pytest.raises(ModelError, match="has the inputs data"):
        DlrModel(artifact, replace(SPEC, name="p0"))


def test_a_refused_model_leaves_no_thread_that_imports_opencv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python would end that thread in the middle of C++, which aborts the process."""
    imported = threading.Event()

    def import_slowly(_: object) -> None:
        time.sleep(0.3)
        imported.set()

    monkeypatch.setattr(loading, "_import_stages", import_slowly)
    folder = store.unpacked(NAME)
    with pytest.raises(ModelError, match="is it the profile of this model"):
        load_model(folder, folder, load_profile("ssdlite-mobilenet-v2-coco"), "cpu")
    assert imported.is_set()


def test_a_wrong_shape_is_reported_with_the_right_one() -> None:
    with pytest.raises(ModelError, match=r"takes \[1, 3, 224, 224\].*\[1, 3, 512, 512\]"):
        DlrModel(check_artifact(store.unpacked(NAME)), replace(SPEC, shape=(1, 3, 512, 512)))


def test_a_wrong_dtype_is_reported_with_the_right_one() -> None:
    with pytest.raises(ModelError, match="takes float32, but the profile says input data uint8"):
        DlrModel(check_artifact(store.unpacked(NAME)), replace(SPEC, dtype="uint8"))


def test_a_gpu_that_the_runtime_lacks_is_reported_with_dlr_s_reason() -> None:
    with pytest.raises(ModelError, match=r"cannot load it on gpu: .+") as caught:
        DlrModel(check_artifact(store.unpacked(NAME)), SPEC, "gpu")
    assert "\n" not in str(caught.value)
    assert "no reason" not in str(caught.value)


def test_a_truncated_library_kills_only_the_child(classifier: Path) -> None:
    library = classifier / "compiled.so"
    size = library.stat().st_size
    with library.open("r+b") as stream:
        stream.truncate(size // 3)
        stream.truncate(size)
    (classifier / DIGESTS_FILE).unlink()
    reason = why_it_fails(ModelArtifact(classifier, sha256=""), SPEC, "cpu")
    assert reason
    with pytest.raises(ModelError, match="DLR cannot run it on cpu"):
        try_in_child(ModelArtifact(classifier, sha256=""), SPEC)


def test_a_sound_model_passes_the_trial() -> None:
    try_in_child(check_artifact(store.unpacked(NAME)), SPEC)


def test_importing_and_loading_writes_nothing_and_calls_nobody(tmp_path: Path) -> None:
    """In a fresh process: no module of the phone-home is imported, and no file of it appears."""
    code = f"""
import sys, socket
def refuse(*a, **k): raise SystemExit("the network was used")
socket.socket.connect = refuse
from pathlib import Path
from inference.model.artifacts.artifact import ModelArtifact, check_artifact
from inference.model.engines.dlr import DlrModel
from inference.model.profiles.profile import load_profile
DlrModel(check_artifact(Path({str(store.unpacked(NAME))!r})), load_profile({NAME!r}).input)
assert "dlr.counter.phone_home" not in sys.modules and "requests" not in sys.modules
import dlr
print(*Path(dlr.__file__).parent.rglob("ccm_config.json"))
"""
    package = Path(__file__).parents[2] / "edge_functions" / "dlr_inference"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=package, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
