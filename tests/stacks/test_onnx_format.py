"""Which devices run an ONNX model, by the versions that its file has."""

import io
from pathlib import Path

import onnx
import pytest
from onnx import helper

from stacks.component.onnx_format import OnnxFormat, limit_of, limit_of_file, read_onnx_format
from tests.inference.tiny_onnx import identity, mean_of_channels, model_of, weighted


@pytest.mark.parametrize(
    ("version", "limit"),
    [
        (OnnxFormat(17, 8), ""),
        (OnnxFormat(21, 10), ""),
        (
            OnnxFormat(22, 10),
            (
                "runs on devices with Python 3.10 or newer only: it is of opset 22, and older ones "
                "have ONNX Runtime 1.19.2, which loads up to 21"
            ),
        ),
        (
            OnnxFormat(17, 11),
            (
                "runs on devices with Python 3.10 or newer only: it is of IR version 11, and older "
                "ones have ONNX Runtime 1.19.2, which loads up to 10"
            ),
        ),
        (
            OnnxFormat(23, 12),
            (
                "runs on devices with Python 3.14 or newer only: it is of IR version 12, and older "
                "ones have ONNX Runtime 1.23.2, which loads up to 11"
            ),
        ),
        (
            OnnxFormat(99, 10),
            "runs on no device: it is of opset 99, and ONNX Runtime 1.32.0 loads up to 28",
        ),
    ],
)
def test_a_model_says_which_devices_it_needs(
    tmp_path: Path, version: OnnxFormat, limit: str
) -> None:
    assert limit_of(version) == limit
    file = tmp_path / "m.onnx"
    file.write_bytes(identity(*version))
    assert limit_of_file(file) == limit


def test_versions_are_those_that_the_onnx_package_reads() -> None:
    own = mean_of_channels()
    own.opset_import.insert(0, helper.make_opsetid("com.microsoft", 77))
    old = model_of([], opset=7, ir_version=3)
    old.opset_import[0].domain = "ai.onnx"
    for model in (own, old, weighted(), onnx.ModelProto(ir_version=4)):
        found = read_onnx_format(io.BytesIO(model.SerializeToString()))
        opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), None)
        assert found == (None if opset is None else (opset, model.ir_version))


def test_damaged_files_are_of_no_version_or_of_their_own(tmp_path: Path) -> None:
    sound = weighted().SerializeToString()
    for end in range(0, len(sound), 7):
        assert read_onnx_format(io.BytesIO(sound[:end])) in (None, (17, 8))
    for content in (b"\xff" * 99, b"\x42\x05\x0a\xff", b"PK\x03\x04" + bytes(99), b"<html>"):
        assert read_onnx_format(io.BytesIO(content)) is None
    file = tmp_path / "m.onnx"
    file.write_bytes(b"no model")
    assert limit_of_file(file) == ""
