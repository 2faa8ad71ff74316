"""Odd ``.onnx`` files: ``profile`` and ``compile`` read them, or say in one line what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mli.cli.main import main
from tests.inference.tiny_onnx import INPUT, mean_of_channels, model_of, save, tensor
from tests.mli.local.test_infer import infer, payloads

pytestmark = pytest.mark.usefixtures("forked")

QUANTISED = (1 / 256, 3)
"""Scale and zero point of the quantised classifier."""


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, list(map(str, arguments)))


def line_of(done: click.testing.Result) -> str:
    """The line of a refusal, which is an exit status of 1 and not the end by an exception."""
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


def refusals(model: Path, tmp_path: Path) -> tuple[str, str]:
    """The lines of ``profile`` and of ``compile --with onnxruntime``."""
    target = tmp_path / "out"
    compiled = line_of(run("compile", model, "--with", "onnxruntime", "--output", target))
    assert not target.exists()
    return line_of(run("profile", model)), compiled


FOREIGN: dict[str, tuple[bytes, str]] = {
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "`git lfs pull`"),
    "zip": (b"PK\x03\x04" + bytes(90), "a zip archive, as PyTorch's .pt files are"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file, as Keras's .h5 are"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(90), "a TensorFlow Lite model, not an ONNX model: conv"),
    "html": (b"<!DOCTYPE html><html>404</html>", "a web page or XML, not an ONNX model: download"),
    "text": (b"no model", "truncated or not an ONNX model (8 bytes): copy it again"),
    "empty": (b"", "truncated or not an ONNX model (0 bytes): copy it again"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_no_onnx_model_is_named_for_what_it_is(tmp_path: Path, kind: str) -> None:
    content, reason = FOREIGN[kind]
    model = tmp_path / "model.onnx"
    model.write_bytes(content)
    for line in refusals(model, tmp_path):
        assert f"it is {reason}" in line or reason in line
        assert "model.onnx" in line


def _with_outputs(*outputs: Any) -> Any:
    model = mean_of_channels((1, 3, 32, 32))
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return model


def _sequence() -> Any:
    node = helper.make_node("SequenceConstruct", [INPUT], ["boxes"])
    kind = helper.make_tensor_sequence_value_info("boxes", TensorProto.FLOAT, None)
    return model_of([node], inputs=[tensor(INPUT, (1, 3, 32, 32))], outputs=[kind])


def _text() -> Any:
    words = numpy_helper.from_array(np.array(["x"], object), "words")
    node = helper.make_node("Identity", ["words"], ["names"])
    output = tensor("names", (1,), TensorProto.STRING)
    image = tensor(INPUT, (1, 3, 32, 32))
    return model_of([node], inputs=[image], outputs=[output], weights=[words])


def _custom() -> Any:
    node = helper.make_node("Suppress", [INPUT], ["scores"], domain="my.ops")
    return model_of([node], inputs=[tensor(INPUT, (1, 3, 32, 32))], domains=["my.ops"])


ODD: dict[str, tuple[Callable[[], Any], str, str]] = {
    "no outputs": (_with_outputs, "it has no outputs; export it again", "the model has no outputs"),
    "sequence": (_sequence, "its output boxes is seq(", "output boxes is not a tensor of numbers"),
    "text": (_text, "its output names is tensor(string)", "names is not a tensor of numbers"),
    "custom operator": (_custom, "needs the operator my.ops:Suppress", "needs the operator my.ops"),
    "opset": (
        lambda: model_of([helper.make_node("Identity", [INPUT], ["scores"])], opset=99),
        "it is of opset 99, and this version runs up to", "it is of opset 99, and this version",
    ),
    "IR version": (
        lambda: model_of([helper.make_node("Identity", [INPUT], ["scores"])], ir_version=99),
        "it is of IR version 99, and this version", "it is of IR version 99, and this version",
    ),
    "five axes": (
        lambda: mean_of_channels((1, 3, 8, 32, 32)), "[1, 3, 8, 32, 32]: a profile describes one",
        "is [1, 3, 8, 32, 32]; it must be one image",
    ),
    "batch": (
        lambda: mean_of_channels((10, 3, 32, 32)), "export it with a batch of 1",
        "is [10, 3, 32, 32]; it must be one image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_model_that_no_core_runs_is_one_line(tmp_path: Path, name: str) -> None:
    make, by_profile, by_compile = ODD[name]
    model = tmp_path / "model.onnx"
    model.write_bytes(make().SerializeToString())
    profiled, compiled = refusals(model, tmp_path)
    assert by_profile in profiled
    assert by_compile in compiled


@pytest.mark.parametrize(("opset", "is_limited"), [(21, False), (22, True)])
def test_a_model_that_devices_with_an_old_python_do_not_run_says_so(
    tmp_path: Path, opset: int, is_limited: bool
) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", [INPUT], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
    ]
    model = save(model_of(nodes, opset=opset), tmp_path / "model.onnx")
    target, profile = tmp_path / "out", tmp_path / "model.json"
    limit = "runs on devices with Python 3.10 or newer only: it is of opset 22, and older ones have"
    profiled = run("profile", model, "--write", profile, "--json")
    compiled = run(
        "compile", model, "--with", "onnxruntime", "--kind", "classification", "--output", target,
        "--json",
    )  # fmt: skip
    image = tmp_path / "grey.png"
    assert cv2.imwrite(str(image), np.full((8, 8, 3), 99, np.uint8))
    inferred = run("infer", "--model", target, "--images", image)
    for done in (profiled, compiled, inferred):
        assert done.exit_code == 0, done.stderr
    said = {
        "limit": json.loads(profiled.stdout)["limit"],
        "note": json.loads(compiled.stdout)["note"],
    }
    assert [limit in str(text) for text in said.values()] == [is_limited] * 2
    assert (f"it {limit}" in profiled.stderr) == is_limited
    assert (f"the artifact {limit}" in compiled.stderr) == is_limited


def test_weights_that_are_not_beside_the_model_are_named(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    node = helper.make_node("MatMul", [INPUT, "w"], ["scores"])
    onnx.save(
        model_of([node], inputs=[tensor(INPUT, (1, 3, 64, 64))], weights=[weights]),
        tmp_path / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0,
    )  # fmt: skip
    (tmp_path / "w.bin").unlink()
    for line in refusals(tmp_path / "model.onnx", tmp_path):
        assert "keeps weights in w.bin, which is not beside it" in line


@pytest.mark.parametrize(
    "kind", ["BFLOAT16", "DOUBLE", "INT8", "INT16", "INT32", "INT64", "UINT16", "UINT32"]
)
def test_compile_is_advised_for_the_types_that_it_changes(tmp_path: Path, kind: str) -> None:
    number, model = TensorProto.DataType.Value(kind), tmp_path / "model.onnx"
    nodes = [
        helper.make_node("Cast", [INPUT], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["scores"], axes=[2, 3], keepdims=0),
    ]
    save(model_of(nodes, inputs=[tensor(INPUT, (1, 3, 32, 32), number)]), model)
    arguments = ("--with", "onnxruntime", "--kind", "classification", "--output", tmp_path / "out")
    done = run("compile", model, *arguments)
    advised = "let `mli compile` change the type" in line_of(run("profile", model))
    assert advised == (done.exit_code == 0)
    if not advised:
        assert f"is {kind.lower()}; it must be float32 or uint8" in line_of(done)


def test_a_second_input_is_named_with_what_to_do(tmp_path: Path) -> None:
    model = mean_of_channels((1, 3, 32, 32))
    model.graph.input.append(tensor("im_info", (1, 3)))
    line = line_of(run("profile", save(model, tmp_path / "model.onnx")))
    assert "has the inputs images float32 [1, 3, 32, 32], im_info float32 [1, 3]; " in line
    assert "export it without the others, or `mli compile` turns those named orig_target" in line


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        ((1, 1, 64, "w"), "1,1,64,640"),
        (("n", 3, "h", "w"), "1,3,640,640"),
        (("n", "h", "w", 3), "1,640,640,3"),
        (("n", 3, 384, "w"), "1,3,384,640"),
    ],
)
def test_the_example_of_a_size_is_one_that_the_model_takes(
    tmp_path: Path, shape: tuple[Any, ...], example: str
) -> None:
    model = save(mean_of_channels(shape), tmp_path / "model.onnx")
    assert line_of(run("profile", model)).endswith(f"give it with --input-shape {example}")
    line = line_of(run("profile", model, "--input-shape", "1,5,5,5"))
    assert line.endswith(f"does not take --input-shape 1,5,5,5; {example} would do")


def _quantised(scale: Any = QUANTISED[0]) -> Any:
    """A classifier that takes and returns bytes: the mean of each channel of red, green, blue."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["m"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["m", "most"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "scale", "zero"], ["scores"], axis=1),
    ]
    weights = [
        numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in (
            ("most", 255, np.float32),
            ("scale", scale, np.float32),
            ("zero", np.full_like(scale, QUANTISED[1]), np.uint8),
        )
    ]
    return model_of(
        nodes, inputs=[tensor(INPUT, (1, 32, 32, 3), TensorProto.UINT8)],
        outputs=[tensor("scores", (1, 3), TensorProto.UINT8)], weights=weights,
    )  # fmt: skip


def test_a_quantised_classifier_says_its_scale_itself(tmp_path: Path) -> None:
    model, profile = save(_quantised(), tmp_path / "m.onnx"), tmp_path / "m.json"
    assert run("profile", model, "--write", profile).exit_code == 0
    output = json.loads(profile.read_text())["output"]
    assert (output["scale"], output["zeroPoint"]) == QUANTISED
    assert output["activation"] == "probabilities"
    picture = tmp_path / "red.ppm"
    picture.write_bytes(b"P6 32 32 255\n" + bytes([230, 20, 40]) * 32 * 32)
    done = infer("--model", model, "--profile", profile, "--images", picture)
    [[best, *_]] = payloads(done)
    assert best["prediction"] == "0"
    assert float(best["confidence"]) == pytest.approx(230 / 255, abs=QUANTISED[0])


def test_scores_with_a_scale_of_their_own_each_need_another_export(tmp_path: Path) -> None:
    model = save(_quantised(np.array([1 / 256, 1 / 128, 1 / 64])), tmp_path / "m.onnx")
    line = line_of(run("profile", model))
    assert "its scores are uint8, whose scale and zero point are not constants" in line
    assert line.endswith("export it with outputs in float32")


def test_a_link_to_a_model_is_a_model_and_one_to_nothing_is_none(tmp_path: Path) -> None:
    save(mean_of_channels((1, 3, 32, 32)), tmp_path / "real.onnx")
    (tmp_path / "link.onnx").symlink_to("real.onnx")
    (tmp_path / "broken.onnx").symlink_to("nothing.onnx")
    assert run("profile", tmp_path / "link.onnx").exit_code == 0
    for command in ("profile", "compile"):
        more = ("--with", "onnxruntime", "--output", tmp_path / "out") * (command == "compile")
        done = run(command, tmp_path / "broken.onnx", *more)
        assert done.exit_code in (1, 2)
        assert "broken.onnx" in done.stderr


def test_a_folder_with_the_name_of_a_file_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    _, compiled = refusals(tmp_path / "model.onnx", tmp_path)
    assert compiled.endswith("model.onnx: is a folder; give the .onnx file in it")
