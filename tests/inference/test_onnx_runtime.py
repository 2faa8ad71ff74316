"""Models in ONNX Runtime: what they return, what is refused, and what a user reads then."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_functions import CODE_FOLDER
from inference.component.assembly import build_stages
from inference.component.loading import load_model
from inference.errors import ModelError
from inference.model.artifacts.artifact import check_artifact, open_artifact
from inference.model.artifacts.digests import record_digests
from inference.model.engines import onnx_runtime, threads
from inference.model.engines.onnx_runtime import OnnxRuntimeModel
from inference.model.engines.runtime import open_runtime
from inference.model.engines.trying import try_in_child
from inference.model.profiles.profile import InputSpec
from inference.settings import InferenceSettings
from inference.vision.geometry import fit
from tests.inference import tiny_onnx
from tests.inference.conftest import MakeProfile, WriteProfile
from tests.inference.tiny_onnx import INPUT, SHAPE, mean_of_channels, model_of, save, tensor

SPEC = InputSpec(
    name=INPUT,
    shape=SHAPE,
    layout="NCHW",
    dtype="float32",
    color_order="RGB",
    resize="stretch",
    resize_shorter_side=None,
    pad_color=(0,),
    interpolation="linear",
    scale=1.0,
    mean=(0.0,),
    std=(1.0,),
)
VERSION = onnxruntime.__version__
IMAGE = np.arange(3 * 8 * 8, dtype=np.float32).reshape(SHAPE)
MEANS = IMAGE.mean(axis=(2, 3))


def opened(model: Any, folder: Path, spec: InputSpec = SPEC, accelerator: str = "cpu") -> Any:
    save(model, folder / "model.onnx")
    return OnnxRuntimeModel(check_artifact(folder), spec, accelerator)


def refusal(model: Any, folder: Path, spec: InputSpec = SPEC) -> str:
    with pytest.raises(ModelError) as caught:
        opened(model, folder, spec)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_a_model_runs_and_names_its_outputs_and_its_engine(tmp_path: Path) -> None:
    model = opened(mean_of_channels(), tmp_path)
    (scores,) = model.run(IMAGE)
    np.testing.assert_allclose(scores, MEANS, rtol=1e-6)
    assert model.output_names == ("scores",)
    assert model.versions == {"onnxruntime": VERSION}
    assert [one.shape for one in model.warm_up()] == [(1, 3)]


def test_the_artifact_selects_the_engine(tmp_path: Path) -> None:
    save(mean_of_channels(), tmp_path / "model.onnx")
    artifact = check_artifact(tmp_path)
    assert artifact.runtime == "onnxruntime"
    assert isinstance(open_runtime(artifact, SPEC), OnnxRuntimeModel)


@pytest.mark.parametrize(
    "shape", [["batch", 3, "height", "width"], [None, 3, None, None], None, list(SHAPE)]
)
def test_dynamic_extents_take_the_shape_of_the_profile(tmp_path: Path, shape: Any) -> None:
    (scores,) = opened(mean_of_channels(shape), tmp_path).run(IMAGE)
    np.testing.assert_allclose(scores, MEANS, rtol=1e-6)


def test_half_precision_goes_in_and_comes_out_as_single(tmp_path: Path) -> None:
    (scores,) = opened(mean_of_channels(dtype=TensorProto.FLOAT16), tmp_path).run(IMAGE)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, MEANS, rtol=2e-3)


def test_a_model_that_scales_by_itself_takes_bytes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", [INPUT], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["scores"], axes=[2, 3], keepdims=0),
    ]
    model = model_of(nodes, inputs=[tensor(INPUT, SHAPE, TensorProto.UINT8)])
    (scores,) = opened(model, tmp_path, replace(SPEC, dtype="uint8")).run(IMAGE.astype(np.uint8))
    np.testing.assert_allclose(scores, MEANS, rtol=1e-6)
    fact = "takes uint8, but the profile says input images float32 [1, 3, 8, 8]"
    assert fact in refusal(model, tmp_path)


@pytest.mark.parametrize(
    ("spec", "fact"),
    [
        (replace(SPEC, name="data"), "has the inputs images"),
        (replace(SPEC, dtype="uint8"), "takes float32"),
        (replace(SPEC, shape=(1, 3, 9, 8)), "takes [1, 3, 8, 8]"),
        (replace(SPEC, shape=(1, 8, 8, 3), layout="NHWC"), "takes [1, 3, 8, 8]"),
    ],
)
def test_an_input_that_is_not_the_profile_s_is_refused_as_with_dlr(
    tmp_path: Path, spec: InputSpec, fact: str
) -> None:
    assert refusal(mean_of_channels(), tmp_path, spec) == (
        f"model FOLDER: {fact}, but the profile says input {spec.name} {spec.dtype} "
        f"{list(spec.shape)}; is it the profile of this model?"
    )


def test_extents_that_are_dynamic_are_shown_by_their_names(tmp_path: Path) -> None:
    model = mean_of_channels(["batch", 3, None, 640])
    assert "takes [batch, 3, ?, 640], but" in refusal(model, tmp_path)


@pytest.mark.parametrize("wrong", [IMAGE[0], IMAGE.astype(np.float64), IMAGE.transpose(0, 2, 3, 1)])
def test_a_tensor_of_another_form_is_refused_before_the_run(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"the model takes float32 \[1, 3, 8, 8\]"):
        opened(mean_of_channels(), tmp_path).run(wrong)


def test_a_second_input_is_named(tmp_path: Path) -> None:
    size = tensor("orig_target_sizes", [1, 2], TensorProto.INT64)
    nodes = [
        helper.make_node("Identity", [INPUT], ["scores"]),
        helper.make_node("Identity", ["orig_target_sizes"], ["sizes"]),
    ]
    outputs = [tensor("scores"), tensor("sizes", [1, 2], TensorProto.INT64)]
    model = model_of(nodes, inputs=[tensor(INPUT), size], outputs=outputs)
    assert refusal(model, tmp_path) == (
        "model FOLDER: has 2 inputs, images, orig_target_sizes: only a model whose one input is "
        "the image can run; export it without the others"
    )


def test_weights_that_are_also_inputs_are_no_inputs(tmp_path: Path) -> None:
    """As exporters before IR version 4 wrote them."""
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "weights")
    model = model_of(
        [helper.make_node("Conv", [INPUT, "weights"], ["scores"])],
        inputs=[tensor(INPUT), tensor("weights", [3, 3, 1, 1])],
        weights=[weights],
        ir_version=3,
        opset=11,
    )
    (output,) = opened(model, tmp_path).run(IMAGE)
    np.testing.assert_allclose(output, IMAGE)


def test_outputs_that_are_no_tensors_of_numbers_are_refused(tmp_path: Path) -> None:
    sequence = model_of(
        [helper.make_node("SplitToSequence", [INPUT], ["parts"], axis=1)],
        outputs=[helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)],
    )
    assert "its output parts is seq(tensor(float)), not a tensor" in refusal(sequence, tmp_path)


def test_what_this_release_cannot_read_is_named_with_a_way_out(tmp_path: Path) -> None:
    new_format = mean_of_channels()
    new_format.ir_version = 99
    text = refusal(new_format, tmp_path)
    assert "cannot load it on cpu: it is of IR version 99, and this version reads up to " in text
    assert "export the model with an older onnx package" in text
    new_opset = model_of([helper.make_node("Identity", [INPUT], ["scores"])], opset=99)
    text = refusal(new_opset, tmp_path)
    assert "cannot load it on cpu: it is of opset 99, and this version runs up to " in text
    assert "export the model again with that opset or a lower one" in text


@pytest.mark.parametrize(("domain", "named"), [("com.acme", "com.acme:Foo"), ("", "Foo")])
def test_an_operator_of_somebody_s_own_is_named(tmp_path: Path, domain: str, named: str) -> None:
    node = helper.make_node("Foo", [INPUT], ["scores"], domain=domain)
    model = model_of([node], domains=[domain] if domain else [])
    assert f"it needs the operator {named}, which this version does not have" in refusal(
        model, tmp_path
    )


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_damaged_file_is_named_with_its_size(tmp_path: Path, content: bytes | None) -> None:
    path = save(tiny_onnx.weighted(), tmp_path / "model.onnx")
    content = path.read_bytes()[:1000] if content is None else content
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    assert str(caught.value) == (
        f"model file {path}: ONNX Runtime {VERSION} cannot load it on cpu: it is truncated or not "
        f"an ONNX model ({len(content)} bytes): copy it again"
    )


def test_a_file_of_another_kind_is_named_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    assert str(caught.value).endswith(
        "it is a pointer of Git LFS, not an ONNX model: fetch the file with `git lfs pull`"
    )


def test_weights_beside_the_model_are_part_of_the_artifact(tmp_path: Path) -> None:
    path = tiny_onnx.with_external_weights(tmp_path / "model.onnx")
    (scores,) = OnnxRuntimeModel(check_artifact(tmp_path), SPEC).run(IMAGE)
    np.testing.assert_allclose(scores, MEANS, rtol=1e-5)
    before = check_artifact(tmp_path).sha256
    weights = tmp_path / "model.onnx.data"
    weights.write_bytes(bytes(weights.stat().st_size))
    assert check_artifact(tmp_path).sha256 != before
    weights.write_bytes(b"short")
    with pytest.raises(
        ModelError, match=r"weights weights are in a file .* is truncated \(5 bytes"
    ):
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    weights.unlink()
    with pytest.raises(ModelError) as caught:
        check_artifact(tmp_path)
    assert str(caught.value) == (
        f"model file {path}: keeps weights in model.onnx.data, which is not beside it: the "
        "artifact is the folder of both, or its archive"
    )


def test_weights_in_another_folder_are_refused(tmp_path: Path) -> None:
    """No digest covers them, and what is outside an artifact is nothing to it."""
    import onnx

    path = tiny_onnx.with_external_weights(tmp_path / "model.onnx")
    model = onnx.load(str(path), load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "../" + "f" * 200 + "/weights"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"keeps weights in \.\./f{200}/weights, which is not"):
        check_artifact(tmp_path)


def test_recorded_digests_are_compared_before_loading(tmp_path: Path) -> None:
    path = save(mean_of_channels(), tmp_path / "model.onnx")
    record_digests(tmp_path)
    assert check_artifact(tmp_path).has_digests
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"model\.onnx: is truncated or changed"):
        check_artifact(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  other\n")
    (tmp_path / "other").touch()
    with pytest.raises(ModelError, match="other: is truncated or changed"):
        check_artifact(tmp_path)


def test_a_bare_file_is_the_same_model_under_every_name(tmp_path: Path) -> None:
    first = save(mean_of_channels(), tmp_path / "yolo11n.onnx")
    second = save(mean_of_channels(), tmp_path / "0123abcd.onnx")
    artifacts = [open_artifact(path, tmp_path / "work") for path in (first, second)]
    assert artifacts[0] == artifacts[1]
    assert artifacts[0].folder.parent == tmp_path / "work"
    assert [path.name for path in artifacts[0].folder.iterdir()] == ["model.onnx"]


def test_a_damaged_copy_of_a_bare_file_is_made_again(tmp_path: Path) -> None:
    path = save(mean_of_channels(), tmp_path / "fruit.onnx")
    artifact = open_artifact(path, tmp_path / "work")
    record_digests(artifact.folder)
    copy = artifact.folder / "model.onnx"
    copy.write_bytes(copy.read_bytes()[:-1])
    assert open_artifact(path, tmp_path / "work").sha256 == artifact.sha256
    assert copy.read_bytes() == path.read_bytes()


def test_artifacts_with_several_models_are_refused(tmp_path: Path) -> None:
    model = save(mean_of_channels(), tmp_path / "a" / "fruit.onnx")
    (model.parent / "._fruit.onnx").touch()  # what macOS leaves
    assert open_artifact(tmp_path, tmp_path / "work").runtime == "onnxruntime"
    (model.parent / "fruit-int8.onnx").write_bytes(model.read_bytes())
    with pytest.raises(ModelError, match=r"one \.onnx file, it has fruit-int8\.onnx, fruit\.onnx"):
        open_artifact(tmp_path, tmp_path / "work")
    (model.parent / "fruit-int8.onnx").rename(model.parent / "compiled.so")
    with pytest.raises(ModelError, match=r"for DLR and for ONNX Runtime \(compiled\.so, fruit\.on"):
        open_artifact(tmp_path, tmp_path / "work")
    (tmp_path / "b").mkdir()
    (model.parent / "compiled.so").rename(tmp_path / "b" / "fruit.onnx")
    with pytest.raises(ModelError, match="more than one model in it"):
        open_artifact(tmp_path, tmp_path / "work")


def test_an_accelerator_that_the_package_lacks_is_refused_in_one_line(tmp_path: Path) -> None:
    for accelerator, lacks in (("gpu", "no CUDAExecutionProvider"), ("opencl", "nothing for")):
        with pytest.raises(ModelError, match=f"{lacks}.*: set accelerator=cpu") as caught:
            opened(mean_of_channels(), tmp_path, accelerator=accelerator)
        assert "\n" not in str(caught.value)


def test_the_cuda_of_another_package_is_used_where_there_is_one(tmp_path: Path) -> None:
    """The package for CUDA falls back to the processor, with a warning only."""

    class Session:
        def __init__(self, file: str, options: object, providers: list[str]) -> None:
            self.wanted = providers

        def get_providers(self) -> list[str]:
            return [*(self.wanted if has_cuda else ()), "CPUExecutionProvider"]

    class Package:
        __version__ = "1.23.2"
        InferenceSession = Session
        SessionOptions = staticmethod(onnxruntime.SessionOptions)

        @staticmethod
        def get_available_providers() -> list[str]:
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    has_cuda = True
    session = onnx_runtime._open_session(Package, tmp_path / "model.onnx", "gpu")
    assert session.wanted == ["CUDAExecutionProvider"]
    has_cuda = False
    with pytest.raises(ModelError, match="cannot use CUDAExecutionProvider, which needs the CUDA"):
        onnx_runtime._open_session(Package, tmp_path / "model.onnx", "gpu")


def test_a_failing_run_is_one_line(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceSum", [INPUT], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["count"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["count", "shape"], ["size"]),
        helper.make_node("Reshape", [INPUT, "size"], ["scores"]),
    ]
    one = numpy_helper.from_array(np.array([1], np.int64), "shape")
    model = opened(model_of(nodes, weights=[one]), tmp_path)
    with pytest.raises(ModelError, match=r"run failed: .*cannot be reshaped") as caught:
        model.run(np.ones(SHAPE, np.float32) * 2)
    assert "\n" not in str(caught.value)
    assert "onnxruntime_src" not in str(caught.value)


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


def test_a_first_try_in_a_child_reports_what_the_child_found(tmp_path: Path) -> None:
    save(mean_of_channels(), tmp_path / "model.onnx")
    artifact = check_artifact(tmp_path)
    try_in_child(artifact, SPEC)
    with pytest.raises(ModelError) as caught:
        try_in_child(artifact, replace(SPEC, name="data"))
    assert str(caught.value) == (
        f"model {tmp_path}: has the inputs images, but the profile says input data float32 "
        "[1, 3, 8, 8]; is it the profile of this model?"
    )


def test_a_bare_file_is_tried_once_then_loaded(tmp_path: Path, make_profile: MakeProfile) -> None:
    profile = make_profile(input__name=INPUT, output__activation="logits")
    path = save(mean_of_channels(), tmp_path / "fruit.onnx")
    loaded = load_model(path, tmp_path / "work", profile, "cpu", try_once=True)
    assert [output.shape for output in loaded.model.run(IMAGE)] == [(1, 3)]
    assert len(list((tmp_path / "work").glob("tried-cpu-*"))) == 1


def test_outputs_are_told_apart_by_their_names(tmp_path: Path, make_profile: MakeProfile) -> None:
    """Here they have one shape, so that nothing else tells which is which."""
    logits = np.full((1, 2, 4), -9, np.float32)
    logits[0, 1, 2] = 9
    boxes = np.full((1, 2, 4), 0.5, np.float32)
    nodes = [helper.make_node("ReduceMean", [INPUT], ["mean"], keepdims=0)]
    nodes += [helper.make_node("Mul", ["mean", "zero"], ["nothing"])]
    for name in ("logits", "pred_boxes"):
        nodes.append(helper.make_node("Add", [f"{name}_known", "nothing"], [name]))
    model = model_of(
        nodes,
        outputs=[tensor("logits", [1, 2, 4]), tensor("pred_boxes", [1, 2, 4])],
        weights=[
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
            numpy_helper.from_array(logits, "logits_known"),
            numpy_helper.from_array(boxes, "pred_boxes_known"),
        ],
    )
    names = {"boxes": "pred_boxes", "scores": "logits"}
    profile = make_profile(
        "a\nb\nc\nd\n",
        input__name=INPUT,
        output={"kind": "queries", "activation": "sigmoid", "outputs": names},
    )
    loaded = load_model(save(model, tmp_path / "detr.onnx"), tmp_path / "work", profile, "cpu")
    settings = InferenceSettings("core", image_source="test-pattern")
    stages = build_stages(settings, loaded, [])
    stages.source.close()
    found = stages.postprocess.decode(loaded.model.run(IMAGE))
    (prediction,) = stages.postprocess.choose(found, fit(profile.input, 8, 8))
    assert prediction.label == "c"
    assert prediction.box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_memory_that_does_not_suffice_is_named_before_loading(
    tmp_path: Path, make_profile: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights beside the model count too."""
    tiny_onnx.with_external_weights(tmp_path / "model" / "model.onnx")
    weights = tmp_path / "model" / "model.onnx.data"
    with weights.open("r+b") as stream:
        stream.truncate(400 << 20)
    monkeypatch.setattr("inference.component.loading.available_memory", lambda: 1 << 30)
    with pytest.raises(ModelError, match="needs about 1200 MB of memory, 1024 MB are left"):
        load_model(tmp_path / "model", tmp_path, make_profile(input__name=INPUT), "cpu")


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


def test_a_missing_engine_is_named_with_the_key_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(mean_of_channels(), tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeModel(check_artifact(tmp_path), SPEC)
    assert str(caught.value) == (
        "this model needs ONNX Runtime, which is not installed: deploy with "
        "modelRuntime=onnxruntime"
    )


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
from inference.component.assembly import build_stages
from inference.component.loading import load_model
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
