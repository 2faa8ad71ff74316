"""``compile --with onnxruntime``: fixed, simplified, verified, and described for the core."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference.model.artifacts.artifact import check_artifact
from inference.model.artifacts.digests import check_digests, digests_of
from inference.model.engines.runtime import open_runtime
from inference.model.profiles.profile import load_profile
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor, Prediction
from inference.vision.preprocess import Preprocessor

from ...inference.tiny_onnx import model_of, save, tensor
from ..profile.test_metadata import properties
from .conftest import Run

RED, GREEN = (0, 0, 255), (0, 255, 0)
COLOURS = np.array([[4, -4, -4], [-4, 4, -4], [-4, -4, 4]], np.float32)
PLAIN = ("--mean", "0", "--std", "1", "--resize", "stretch")


def constant(name: str, values: Any, dtype: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.array(values, dtype), name)


def colours(*more: Any, shape: Any = (1, 3, 32, 32), **changes: Any) -> Any:
    """A classifier of the mean colour, whose logits ``l`` go through the nodes ``more``."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["l"]),
        *more,
    ]
    settings: dict[str, Any] = {"weights": [constant("w", COLOURS)], **changes}
    settings.setdefault("outputs", [tensor(nodes[-1].output[0], None)])
    return model_of(nodes, inputs=[tensor("images", shape)], **settings)


def boxes_of(model: Any, outputs: dict[str, Any]) -> Any:
    """``model`` with outputs that have always these values."""
    for name, values in outputs.items():
        array = np.array(values, np.float32) if isinstance(values, list) else values
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.initializer.append(numpy_helper.from_array(array, f"{name}_known"))
        model.graph.node.extend(
            [
                helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=kind),
                helper.make_node("Add", [f"{name}_known", f"{name}_nothing"], [name]),
            ]
        )
        model.graph.output.append(tensor(name, array.shape, kind))
    return model


def always(outputs: dict[str, Any]) -> Any:
    """A model of a 32×32 image that always returns these values."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    model = model_of(
        nodes, inputs=[tensor("images", (1, 3, 32, 32))], weights=[constant("zero", 0)]
    )
    del model.graph.output[:]
    return boxes_of(model, outputs)


def made(run: Run, model: Any, target: Path, *options: object) -> dict[str, Any]:
    """Compile a model, and return what the command says of it."""
    file = save(model, target.with_name("model.onnx"))
    done = run("compile", "--with", "onnxruntime", file, "--output", target, "--json", *options)
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def refused(run: Run, model: Any, target: Path, *options: object) -> str:
    file = save(model, target.with_name("model.onnx"))
    done = run("compile", "--with", "onnxruntime", file, "--output", target, *options)
    assert done.exit_code == 1, done.output
    assert not target.exists()
    line: str = done.stderr.splitlines()[-1]
    return line


def seen(artifact: Path, image: Any) -> Sequence[Prediction]:
    """Return what a core predicts with an artifact and its own profile."""
    profile = load_profile(artifact / "profile" / "profile.json")
    model = open_runtime(check_artifact(artifact), profile.input)
    tensor_, fitted = Preprocessor(profile.input)(image)
    read = Postprocessor(profile, output_names=model.output_names)
    assert fitted == fit(profile.input, image.shape[1], image.shape[0])
    return read(model.run(tensor_), fitted)


def plain(colour: tuple[int, int, int]) -> Any:
    return np.full((40, 60, 3), colour, np.uint8)


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


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("red\ngreen\nblue\n")
    return path


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
    assert "output l: 3 numbers that are no probabilities may be scores of classes or an" in line
    assert "add --labels FILE, or --kind classification" in line
    made(run, colours(), tmp_path / "out", "--kind", "classification")


def test_scores_beside_an_embedding_are_named(run: Run, tmp_path: Path, labels: Path) -> None:
    model = always({"p": [[0.1, 0.7, 0.2]], "embedding": [[1.0] * 8]})
    assert "--scores names one of several" in refused(run, model, tmp_path / "out")
    made(run, model, tmp_path / "out", "--scores", "p", "--labels", labels)
    assert seen(tmp_path / "out", plain(RED))[0].label == "green"


SCORES = [[0.05, 0.9, 0.05], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]
CORNERS = [[0.25, 0.25, 0.75, 0.75], [0.0, 0.0, 0.2, 0.2], [0.5, 0.0, 1.0, 0.4]]


@pytest.mark.parametrize("batch", ["both", "scores", "neither"])
@pytest.mark.parametrize("classes_first", [False, True])
def test_scores_and_boxes_without_an_axis_for_the_image(
    run: Run, tmp_path: Path, labels: Path, batch: str, classes_first: bool
) -> None:
    """As in torchvision's SSDLite, cut before its suppression: boxes [A,4]."""
    scores = np.array([*SCORES, [0, 0, 0]], np.float32)
    corners = np.array([*CORNERS, [0, 0, 1, 1]], np.float32)
    scores = scores.T if classes_first else scores
    model = always(
        {
            "boxes": corners if batch != "both" else corners[None],
            "scores": scores if batch == "neither" else scores[None],
        }
    )
    made(run, model, tmp_path / "out", "--labels", labels)
    found = seen(tmp_path / "out", plain(RED))
    assert [one.label for one in found] == ["green", "red", "blue"]
    assert found[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_the_unit_of_a_given_profile_is_that_of_the_original(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    """Boxes come out of the artifact in pixels, whatever they are in the model."""
    model = always({"scores": [SCORES], "boxes": [CORNERS]})
    made(run, model, tmp_path / "one", "--labels", labels)
    given = tmp_path / "one" / "profile" / "profile.json"
    values = json.loads(given.read_text())
    values["output"] = {"kind": "gluoncv-ssd", "units": "fractions"}
    given.write_text(json.dumps(values))
    made(run, model, tmp_path / "two", "--profile", given)
    found = seen(tmp_path / "two", plain(RED))
    assert found[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_lists_with_gluoncv_s_profile_stay_as_they_are(
    run: Run, tmp_path: Path, labels: Path
) -> None:
    lists = {
        "ids": [[[1.0], [-1.0]]],
        "scores": [[[0.9], [-1.0]]],
        "boxes": [[[8.0, 8, 24, 24], [-1, -1, -1, -1]]],
    }
    made(run, always(lists), tmp_path / "one", "--preset", "gluoncv-ssd", "--labels", labels)
    given = tmp_path / "one" / "profile" / "profile.json"
    values = {**json.loads(given.read_text()), "output": {"kind": "gluoncv-ssd"}}
    given.write_text(json.dumps(values))
    made(run, always(lists), tmp_path / "two", "--profile", given)
    both = ("--profile", given, "--box-order", "yxyx")
    line = refused(run, always(lists), tmp_path / "three", *both)
    assert "--box-order contradicts --profile, which describes the outputs" in line
    for folder in ("one", "two"):
        (found,) = seen(tmp_path / folder, plain(RED))
        assert found.label == "green"
        assert found.box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_a_second_input_with_the_size_becomes_a_constant(run: Run, tmp_path: Path) -> None:
    """RT-DETR and D-FINE scale their boxes to ``orig_target_sizes``, as width and height."""
    model = always({"logits_": [SCORES], "corners": [CORNERS]})
    model.graph.input.append(tensor("orig_target_sizes", (1, 2), TensorProto.INT64))
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=1),
            helper.make_node("Tile", ["size", "twice"], ["sides"]),
            helper.make_node("Mul", ["corners", "sides"], ["boxes"]),
            helper.make_node("Identity", ["logits_"], ["scores"]),
        ]
    )
    model.graph.initializer.append(constant("twice", [1, 2], np.int64))
    del model.graph.output[:]
    model.graph.output.extend([tensor("boxes", (1, 3, 4)), tensor("scores", (1, 3, 3))])
    made(run, model, tmp_path / "out", "--box-units", "pixels")
    assert seen(tmp_path / "out", plain(RED))[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


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


def test_a_file_of_ultralytics_needs_no_options(run: Run, tmp_path: Path) -> None:
    rows = np.zeros((1, 7, 126), np.float32)
    rows[0, :, 5] = [16, 16, 16, 16, 0.1, 0.2, 0.9]
    model = always({"output0": rows})
    for dimension, name in zip(
        model.graph.input[0].type.tensor_type.shape.dim, "NCHW", strict=True
    ):
        if name in "NHW":
            dimension.Clear()
            dimension.dim_param = name
    for key, value in properties(imgsz=[32, 32]).items():
        model.metadata_props.add(key=key, value=value)
    result = made(run, model, tmp_path / "out")
    assert result["verified"]["detections"] == 1
    profile = load_profile(tmp_path / "out" / "profile" / "profile.json")
    assert profile.labels == ("ant", "bee", "fire ant")
    assert (profile.output.preset, profile.input.resize) == ("yolo11", "letterbox")
    assert (profile.input.shape, profile.confidence_threshold) == ((1, 3, 32, 32), 0.25)
    (found,) = seen(tmp_path / "out", np.full((32, 32, 3), 99, np.uint8))
    assert found.label == "fire ant"
    assert found.box == pytest.approx((0.25, 0.25, 0.75, 0.75))
    kept = {one.key for one in onnx.load(tmp_path / "out" / "model.onnx").metadata_props}
    assert {"names", "task"} <= kept


def test_a_verification_without_detections_is_none(run: Run, tmp_path: Path, labels: Path) -> None:
    model = save(always({"o": np.zeros((1, 7, 126), np.float32)}), tmp_path / "model.onnx")
    done = run(
        "compile", "--with", "onnxruntime", model, "--preset", "yolo11", "--labels", labels,
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "not verified: no detection was compared" in done.stdout
    assert "give an --image with objects" in done.stdout


def test_an_image_with_detections_is_looked_for(run: Run, tmp_path: Path, labels: Path) -> None:
    """Only one of the sample photographs is dark enough for this model to see something."""
    photographs = sorted(Path("edge_functions/dlr_inference/sample_images").glob("*.jpg"))
    means = {path.name: float(cv2.imread(str(path)).mean()) / 255 for path in photographs}
    order = sorted(means, key=lambda name: means[name])
    limit = (means[order[0]] + means[order[1]]) / 2
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Less", ["mean", "limit"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["one"], to=1),
        helper.make_node("Mul", ["one", "known"], ["o"]),
    ]
    rows = np.zeros((1, 7, 126), np.float32)
    rows[0, :, 5] = [16, 16, 16, 16, 0.1, 0.2, 0.9]
    model = model_of(
        nodes, inputs=[tensor("images", (1, 3, 32, 32))], outputs=[tensor("o", rows.shape)],
        weights=[constant("limit", limit), numpy_helper.from_array(rows, "known")],
    )  # fmt: skip
    options = ["--preset", "yolo11", "--labels", labels, "--resize", "stretch"]
    result = made(run, model, tmp_path / "out", *options)
    assert result["verified"]["image"] == order[0]
    assert result["verified"]["detections"] == 1


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
