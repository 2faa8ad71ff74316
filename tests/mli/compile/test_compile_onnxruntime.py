"""``compile --with onnxruntime``: fixed, simplified, verified, and described for the core."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from inference.model.artifacts.artifact import check_artifact
from inference.model.artifacts.digests import check_digests, digests_of
from inference.model.profiles.profile import load_profile

from ...inference.tiny_onnx import model_of, tensor
from .conftest import Run
from .known_models import (
    COLOURS,
    GREEN,
    PLAIN,
    RED,
    always,
    colours,
    constant,
    made,
    plain,
    refused,
    seen,
)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("classifier", ["--softmax"]),
        ("probabilities", []),
        ("opset_20", ["--kind", "classification"]),
        ("pixels_last", ["--kind", "classification"]),
        ("reversed", ["--kind", "classification"]),
        ("scatter", ["--kind", "classification"]),
        ("stale_types", ["--kind", "classification"]),
        ("unsupported", ["--kind", "classification"]),
        ("detector", ["--background"]),
        ("raw_detector", ["--background", "--softmax", "--box-order", "yxyx"]),
        ("suppressed", []),
    ],
)
def test_what_tools_and_exporters_write(
    onnx_models: Path, run: Run, tmp_path: Path, name: str, options: list[str]
) -> None:
    """The same models as for TVM, and one with an operator that TVM lacks."""
    arguments = ["compile", "--with", "onnxruntime", onnx_models / f"{name}.onnx", *options]
    done = run(*arguments, "--threshold", "0.3", "--output", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.stderr
    verified = json.loads(done.stdout)["verified"]
    assert verified["largestDifference"] < 1e-4
    assert verified["detections"] is None or verified["detections"] > 0


def test_a_classifier_predicts_with_its_own_profile(run: Run, tmp_path: Path, labels: Path) -> None:
    result = made(run, colours(), tmp_path / "out", *PLAIN, "--labels", labels)
    assert result["target"] == "any processor"
    assert result["verified"]["largestDifference"] < 1e-5
    assert seen(tmp_path / "out", plain(RED))[0].label == "red"
    assert seen(tmp_path / "out", plain(GREEN))[0].label == "green"


def test_the_artifact_has_digests_profile_and_provenance(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    made(run, colours(), tmp_path / "out", "--labels", labels)
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", "model.onnx", "profile"]
    assert check_artifact(folder).runtime == "onnxruntime"
    assert check_artifact(folder).has_digests
    assert check_digests(folder / "profile", digests_of(folder / "profile"))
    provenance = json.loads((folder / "profile" / "provenance.json").read_text())
    assert provenance["source"]["file"] == "model.onnx"
    assert provenance["verified"]["ranOn"] == "any processor"


def test_an_archive_is_the_same_each_time(run: Run, tmp_path: Path, labels: Path) -> None:
    target = tmp_path / "model.tar.gz"
    made(run, colours(), target, "--labels", labels)
    first = target.read_bytes()
    made(run, colours(), target, "--labels", labels)
    assert target.read_bytes() == first
    with tarfile.open(target) as archive:
        assert {"model.onnx", "SHA256SUMS", "profile/profile.json"} <= set(archive.getnames())
    assert (tmp_path / "model-profile" / "labels.txt").is_file()


def test_an_open_size_is_fixed_and_the_graph_simplified(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    shape = helper.make_node("Shape", ["images"], ["shape"])
    same = helper.make_node("Reshape", ["l", "all"], ["same"])
    model = colours(
        same, shape, shape=("N", 3, "H", "W"), outputs=[tensor("same", ("N", "K"))],
        weights=[constant("w", COLOURS), constant("all", [-1, 3], np.int64)],
    )  # fmt: skip
    assert "fix its size with --input-shape" in refused(run, model, tmp_path / "out")
    made(run, model, tmp_path / "out", "--input-shape", "1,3,48,64", "--labels", labels)
    written = onnx.load(tmp_path / "out" / "model.onnx")
    extents = [d.dim_value for d in written.graph.input[0].type.tensor_type.shape.dim]
    assert extents == [1, 3, 48, 64]
    assert "Shape" not in {node.op_type for node in written.graph.node}
    onnx.checker.check_model(written)


def test_a_given_profile_fixes_an_open_size(run: Run, tmp_path: Path, labels: Path) -> None:
    made(run, colours(shape=(1, 3, 24, 24)), tmp_path / "one", "--labels", labels)
    given = tmp_path / "one" / "profile" / "profile.json"
    made(run, colours(shape=("N", 3, "H", "W")), tmp_path / "two", "--profile", given)
    assert load_profile(tmp_path / "two/profile/profile.json").input.shape == (1, 3, 24, 24)


def test_weights_in_a_file_beside_the_model_are_taken_in(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    path = tmp_path / "outside.onnx"
    onnx.save_model(
        colours(), str(path), save_as_external_data=True, location="outside.data", size_threshold=0
    )
    done = run(
        "compile", "--with", "onnxruntime", path, "--labels", labels, "--output", tmp_path / "out"
    )
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "out" / "model.onnx").is_file()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_real_types_at_the_ends_become_float32(
    run: Run, tmp_path: Path, labels: Path, kind: int
) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["l"]),
    ]
    model = model_of(
        nodes, inputs=[tensor("images", (1, 3, 32, 32), kind)], outputs=[tensor("l", None, kind)],
        weights=[constant("w", COLOURS, dtype)],
    )  # fmt: skip
    made(run, model, tmp_path / "out", *PLAIN, "--labels", labels)
    written = onnx.load(tmp_path / "out" / "model.onnx").graph
    assert {one.type.tensor_type.elem_type for one in [*written.input, *written.output]} == {1}
    assert seen(tmp_path / "out", plain(GREEN))[0].label == "green"


def test_quantised_scores_get_their_meaning(run: Run, tmp_path: Path, labels: Path) -> None:
    """A classifier that takes and returns bytes, as fully quantised MobileNets do."""
    nodes = [
        helper.make_node("Cast", ["images"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["m0"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["m0", "s"], ["m"]),
        helper.make_node("MatMul", ["m", "w"], ["l"]),
        helper.make_node("Softmax", ["l"], ["p"], axis=1),
        helper.make_node("QuantizeLinear", ["p", "qs", "qz"], ["q"]),
    ]
    model = model_of(
        nodes, inputs=[tensor("images", (1, 32, 32, 3), TensorProto.UINT8)],
        outputs=[tensor("q", (1, 3), TensorProto.UINT8)],
        weights=[
            constant("w", COLOURS), constant("s", 1 / 255), constant("qs", 1 / 256),
            constant("qz", 0, np.uint8),
        ],
    )  # fmt: skip
    made(run, model, tmp_path / "out", "--labels", labels)
    profile = json.loads((tmp_path / "out" / "profile" / "profile.json").read_text())
    assert profile["output"] == {"kind": "classification", "activation": "probabilities"}
    found = seen(tmp_path / "out", plain(RED))
    assert found[0].label == "red"
    assert found[0].score > 0.9


@pytest.mark.parametrize(
    ("options", "activation"),
    [(["Sigmoid"], "probabilities"), ([], "logits")],
)
def test_one_score_alone_is_a_binary_classifier(
    run: Run, tmp_path: Path, options: list[str], activation: str
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("other\nred\n")
    more = [helper.make_node(operator, ["l"], ["p"]) for operator in options]
    model = colours(*more, weights=[constant("w", [[8], [-4], [-4]])])
    made(run, model, tmp_path / "out", *PLAIN, "--labels", names)
    output = json.loads((tmp_path / "out" / "profile" / "profile.json").read_text())["output"]
    assert output == {"kind": "classification", "activation": activation}
    assert seen(tmp_path / "out", plain(RED))[0].label == "red"
    assert seen(tmp_path / "out", plain(GREEN))[0].label == "other"


def test_a_sigmoid_for_each_class_means_several_labels(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    model = colours(helper.make_node("Sigmoid", ["l"], ["p"]))
    made(run, model, tmp_path / "out", *PLAIN, "--labels", labels)
    output = json.loads((tmp_path / "out" / "profile" / "profile.json").read_text())["output"]
    assert output["multiLabel"] is True


def test_an_embedding_does_not_pass_as_a_classifier(run: Run, tmp_path: Path, labels: Path) -> None:
    line = refused(run, colours(), tmp_path / "out")
    assert "output l: 3 numbers that are not probabilities may be scores of classes or an" in line
    assert "add --labels FILE, or --kind classification" in line
    made(run, colours(), tmp_path / "out", "--kind", "classification")


def test_scores_beside_an_embedding_are_named(run: Run, tmp_path: Path, labels: Path) -> None:
    model = always({"p": [[0.1, 0.7, 0.2]], "embedding": [[1.0] * 8]})
    assert "--scores names one of several" in refused(run, model, tmp_path / "out")
    made(run, model, tmp_path / "out", "--scores", "p", "--labels", labels)
    assert seen(tmp_path / "out", plain(RED))[0].label == "green"


def test_weights_that_are_also_inputs_are_no_inputs_of_the_artifact(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    """As PyTorch exported up to 1.2: also what no node uses, such as counters of batches."""
    counter = constant("num_batches_tracked", 7, np.int64)
    model = colours(weights=[constant("w", COLOURS), counter], ir_version=3)
    model.graph.input.extend(
        [tensor("w", COLOURS.shape), tensor("num_batches_tracked", (), TensorProto.INT64)]
    )
    made(run, model, tmp_path / "out", *PLAIN, "--labels", labels)
    written = onnx.load(tmp_path / "out" / "model.onnx").graph
    assert [one.name for one in written.input] == ["images"]
    assert seen(tmp_path / "out", plain(GREEN))[0].label == "green"


def test_another_second_input_is_named(run: Run, tmp_path: Path) -> None:
    model = colours()
    model.graph.input.append(tensor("im_info", (1, 3)))
    line = refused(run, model, tmp_path / "out")
    assert "the model has the inputs images, im_info; it must have one, an image" in line


def test_options_of_other_compilers_are_refused(run: Run, tmp_path: Path) -> None:
    for compiler, option, line in (
        ("onnxruntime", ["--target", "aarch64"], "--target goes with --with tvm only"),
        ("tvm", ["--quantize", "int8"], "--quantize goes with --with onnxruntime only"),
        ("neo", ["--preset", "yolo11"], "--preset goes with --with onnxruntime or tvm only"),
        ("onnxruntime", ["--quantize", "int8"], "--quantize and --calibrate go together"),
    ):
        done = run("compile", "--with", compiler, "m.onnx", "--output", tmp_path / "o", *option)
        assert done.exit_code == 2
        assert line in done.stderr
