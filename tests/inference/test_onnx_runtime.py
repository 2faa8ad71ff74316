"""Models in ONNX Runtime: what they return, what is refused, and what a user reads then."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.errors import ModelError
from inference.model.artifacts.artifact import check_artifact
from inference.model.engines import onnx_failure, onnx_runtime
from inference.model.engines.onnx_runtime import OnnxRuntimeModel
from inference.model.engines.runtime import open_runtime
from inference.model.profiles.profile import InputSpec
from inference.serving.assembly import build_stages
from inference.serving.loading import load_model
from inference.settings import InferenceSettings
from inference.vision.geometry import fit
from tests.inference.conftest import MakeProfile
from tests.inference.tiny_onnx import (
    IMAGE,
    INPUT,
    MEANS,
    SHAPE,
    SPEC,
    mean_of_channels,
    model_of,
    opened,
    save,
    tensor,
)

VERSION = onnxruntime.__version__


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


def test_an_operator_for_float64_is_not_called_missing(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", [INPUT], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Conv", ["wide", "w"], ["scores"]),
    ]
    weights = numpy_helper.from_array(np.ones((1, 3, 1, 1)), "w")
    outputs = [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, None)]
    text = refusal(model_of(nodes, outputs=outputs, weights=[weights]), tmp_path)
    assert (
        "it needs the operator Conv for numbers of a type that this version does not have" in text
    )
    assert "export the model as float32" in text


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


def test_a_position_after_a_colon_is_left_out() -> None:
    said = "load failed:/onnxruntime_src/core/graph/model.cc:181 onnxruntime::Model::Model(a, b) no"
    assert onnx_failure.without_positions(said) == "load failed:no"


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
