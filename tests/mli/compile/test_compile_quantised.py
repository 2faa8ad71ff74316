"""``compile --quantize int8``: whole numbers, and how far they change what the core sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from inference.vision.detections import Detections
from mli.compile.agreement import agreement, described
from mli.compile.graphs.facts import quantisation_step
from mli.compile.graphs.reading import load_model, with_fixed_input

from ...inference.tiny_onnx import model_of, save, tensor
from .conftest import Run

pytestmark = pytest.mark.usefixtures("forked", "forked_tvm")

SIDE = 32


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plain and noisy pictures, a hidden file, and one that is not a picture."""
    folder = tmp_path_factory.mktemp("calibration")
    generator = np.random.default_rng(4)
    for number in range(12):
        picture = generator.integers(0, 256, 3) + generator.integers(-20, 20, (40, 50, 3))
        cv2.imwrite(str(folder / f"{number:02}.png"), picture.clip(0, 255).astype(np.uint8))
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector [1,4+3,16]: codes in pixels and scores in one tensor, after two convolutions."""
    generator = np.random.default_rng(6)
    weights = {
        "w1": generator.normal(0, 0.3, (32, 3, 3, 3)),
        "w2": generator.normal(0, 0.1, (7, 32, 1, 1)),
        "b2": np.array([0, 0, -3, -3, 1, 0, 1]), "shape": np.array([1, 7, 16]),
        "four": np.array([0, 1, 2, 3]), "three": np.array([4, 5, 6]), "big": np.array(8.0),
        "place": np.stack(np.meshgrid(np.arange(4), np.arange(4)), 0).reshape(1, 2, 16) * 8 + 4.0,
        "first": np.array([0, 1]), "last": np.array([2, 3]),
    }  # fmt: skip
    whole = ("shape", "four", "three", "first", "last")
    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["c1"], strides=[4, 4], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("AveragePool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"]),
        helper.make_node("Reshape", ["c2", "shape"], ["rows"]),
        helper.make_node("Gather", ["rows", "first"], ["shift"], axis=1),
        helper.make_node("Add", ["shift", "place"], ["centre"]),
        helper.make_node("Gather", ["rows", "last"], ["code"], axis=1),
        helper.make_node("Exp", ["code"], ["grown"]),
        helper.make_node("Mul", ["grown", "big"], ["size"]),
        helper.make_node("Gather", ["rows", "three"], ["logits"], axis=1),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Concat", ["centre", "size", "scores"], ["output0"], axis=1),
    ]
    model = model_of(
        nodes,
        inputs=[tensor("images", (1, 3, SIDE, SIDE))],
        outputs=[tensor("output0", (1, 7, 16))],
        weights=[
            numpy_helper.from_array(np.asarray(v, np.int64 if k in whole else np.float32), k)
            for k, v in weights.items()
        ],
    )
    return save(model, tmp_path_factory.mktemp("models") / "detector.onnx")


def quantised(run: Run, model: Path, target: Path, folder: Path, *options: object) -> Any:
    return run(
        "compile", "--with", "onnxruntime", model, "--output", target, "--quantize", "int8",
        "--calibrate", folder, "--json", *options,
    )  # fmt: skip


def test_a_detector_keeps_boxes_and_scores_in_real_numbers(
    run: Run, tmp_path: Path, photographs: Path, detector: Path
) -> None:
    """One scale for pixels and probabilities would leave no detection."""
    options = ["--preset", "yolo11", "--mean", "0", "--std", "1", "--iou-threshold", "1"]
    done = quantised(run, detector, tmp_path / "out", photographs, *options)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)["quantised"]
    assert told["images"] == 12
    assert told["detections"] > 50
    assert told["matched"] > 0.9
    assert told["meanScoreChange"] < 0.05
    graph = onnx.load(tmp_path / "out" / "model.onnx").graph
    made_by = {name: node for node in graph.node for name in node.output}
    types = {node.op_type: [made_by.get(name) for name in node.input] for node in graph.node}
    for layer in ("Conv",):
        assert {one.op_type for one in types[layer] if one is not None} == {"DequantizeLinear"}
    concat = next(node for node in graph.node if node.op_type == "Concat")
    assert "DequantizeLinear" not in {made_by[name].op_type for name in concat.input}
    provenance = json.loads((tmp_path / "out" / "profile" / "provenance.json").read_text())
    assert provenance["quantised"] == told


def test_a_classifier_reports_how_often_its_best_class_stays(
    run: Run, tmp_path: Path, photographs: Path, onnx_models: Path
) -> None:
    model = onnx_models / "probabilities.onnx"
    done = quantised(run, model, tmp_path / "out", photographs)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)["quantised"]
    assert told["images"] == 12
    assert told["topOneAgreement"] >= 0.9
    assert 0 < told["meanScoreChange"] < 0.1


def test_a_quantised_model_is_not_quantised_again(
    run: Run, tmp_path: Path, photographs: Path, onnx_models: Path
) -> None:
    assert quantised(run, onnx_models / "probabilities.onnx", tmp_path / "a", photographs)
    done = quantised(run, tmp_path / "a" / "model.onnx", tmp_path / "b", photographs)
    assert done.exit_code == 1
    assert "is quantised already" in done.stderr


def test_a_model_without_layers_is_refused(run: Run, tmp_path: Path, photographs: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("Softmax", ["m"], ["p"], axis=1),
    ]
    model = model_of(nodes, inputs=[tensor("images", (1, 3, 8, 8))], outputs=[tensor("p", (1, 3))])
    done = quantised(run, save(model, tmp_path / "m.onnx"), tmp_path / "out", photographs)
    assert done.exit_code == 1
    assert "has no layers whose weights could be quantised" in done.stderr


def test_photographs_that_cannot_be_used_are_named(
    run: Run, tmp_path: Path, onnx_models: Path
) -> None:
    model, empty = onnx_models / "probabilities.onnx", tmp_path / "empty"
    empty.mkdir()
    for folder, line in (
        (tmp_path / "nowhere", "nowhere: there is no such folder"),
        (empty, "empty: has no images; give a folder of 50 to 500 photographs"),
    ):
        done = quantised(run, model, tmp_path / "out", folder)
        assert done.exit_code == 1
        assert line in done.stderr
    cv2.imwrite(str(empty / "a.png"), np.zeros((9, 9, 3), np.uint8))
    (empty / "b.jpg").write_bytes(b"\xff\xd8\xffnothing")
    done = quantised(run, model, tmp_path / "out", empty)
    assert done.exit_code == 1
    assert "b.jpg: " in done.stderr.splitlines()[-1]
    assert "remove or replace it" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_tvm_compiles_what_was_quantised_in_the_form_qdq(
    run: Run, tmp_path: Path, photographs: Path, detector: Path
) -> None:
    """Each engine rounds at its own place: a step of quantisation is not an error."""
    options = ["--preset", "yolo11", "--mean", "0", "--std", "1", "--iou-threshold", "1"]
    done = quantised(run, detector, tmp_path / "a", photographs, *options)
    assert done.exit_code == 0, done.stderr
    model, target = tmp_path / "a" / "model.onnx", tmp_path / "b"
    done = run("compile", "--with", "tvm", model, "--output", target, "--json", *options)
    assert done.exit_code == 0, done.stderr
    verified = json.loads(done.stdout)["verified"]
    assert verified["detections"] > 5
    assert 1e-3 < verified["tolerance"] <= 0.1


@pytest.mark.slow
def test_operators_of_whole_numbers_are_named(run: Run, tmp_path: Path, onnx_models: Path) -> None:
    from onnxruntime import quantization  # imports SymPy, which takes a second

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            with np.load(onnx_models / "probabilities.npz") as arrays:
                self._rest = [{"image": arrays["input"]}]

        def get_next(self) -> Any:
            return self._rest.pop() if self._rest else None

    file = tmp_path / "integers.onnx"
    quantization.quantize_static(
        onnx_models / "probabilities.onnx", file, Reader(),
        quant_format=quantization.QuantFormat.QOperator,
        activation_type=quantization.QuantType.QInt8, weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    done = run("compile", "--with", "tvm", file, "--output", tmp_path / "out")
    assert done.exit_code == 1
    line = done.stderr.splitlines()[-1]
    assert "source maps" not in line
    assert "quantised with operators of whole numbers (QLinear" in line
    assert "quantise it in the form QDQ, or use --with onnxruntime" in line
    done = run("compile", "--with", "onnxruntime", file, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.stderr


def found(*rows: tuple[int, float, tuple[float, float, float, float]]) -> Detections:
    ids, scores, boxes = zip(*rows, strict=True) if rows else ((), (), ())
    return Detections(
        np.array(ids), np.array(scores, np.float32), np.array(boxes, np.float32).reshape(-1, 4)
    )


def test_detections_match_by_label_and_overlap(photographs: Path) -> None:
    class Profile:
        confidence_threshold = 0.5

    pairs = [
        (
            found((1, 0.9, (0, 0, 10, 10)), (2, 0.8, (20, 20, 30, 30)), (2, 0.4, (0, 0, 5, 5))),
            found((1, 0.7, (0, 0, 10, 9)), (3, 0.8, (20, 20, 30, 30))),
        ),
        (found(), found()),
        (found((1, 0.6, (0, 0, 10, 10))), found((1, 0.6, (8, 8, 20, 20)))),
    ]
    told = agreement(pairs, Profile())  # type: ignore[arg-type]
    assert told == {
        "images": 3, "detections": 3, "matched": 0.3333, "unmatched": 2, "meanScoreChange": 0.2,
    }  # fmt: skip
    assert "33.3% of 3 detections are found again on 3 images" in described(told)
    nothing = agreement([(found(), found())], Profile())  # type: ignore[arg-type]
    assert "the original detects nothing" in described(nothing)
    lost = agreement(pairs[2:], Profile())  # type: ignore[arg-type]
    assert described(lost) == "none of 1 detections is found again on 1 images, and 1 are new"


def test_the_step_of_outputs_is_that_of_their_last_quantisation(
    run: Run, tmp_path: Path, photographs: Path, detector: Path
) -> None:
    source = with_fixed_input(load_model(detector))
    assert quantisation_step(source, source.outputs) == 0
    options = ["--preset", "yolo11", "--iou-threshold", "1"]
    assert quantised(run, detector, tmp_path / "out", photographs, *options).exit_code == 0
    source = with_fixed_input(load_model(tmp_path / "out" / "model.onnx"))
    assert 0 < quantisation_step(source, source.outputs) < 0.2
