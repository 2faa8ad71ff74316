"""Which models the ONNX Runtime of each device loads."""

from __future__ import annotations

import io
import re
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import helper

from inference.model.engines.onnx_failure import why_not_loaded
from inference.model.engines.onnx_versions import (
    ENGINES,
    OnnxFormat,
    engine_for,
    limit_of,
    limit_of_file,
    read_onnx_format,
)

from .tiny_onnx import INPUT, mean_of_channels, model_of, weighted

REQUIREMENTS = (
    Path(__file__).parents[2] / "edge_functions/dlr_inference/requirements-onnxruntime.txt"
)


def identity(opset: int, ir_version: int) -> bytes:
    node = helper.make_node("Identity", [INPUT], ["scores"])
    serialised: bytes = model_of([node], opset=opset, ir_version=ir_version).SerializeToString()
    return serialised


def is_loaded(opset: int, ir_version: int) -> bool:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(identity(opset, ir_version), options)
    except Exception:  # its exceptions have no other base class
        return False
    return True


def test_the_engines_are_those_that_devices_install() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    pinned = [re.match(r"onnxruntime==([\d.]+); (.*)", line) for line in lines]
    assert len(pinned) == len(ENGINES)
    for engine, newer, found in zip(ENGINES, [*ENGINES[1:], None], pinned):
        assert found is not None
        assert found[1] == engine.version
        since = f'python_version >= "{engine.python}"' if engine is not ENGINES[0] else ""
        until = f'python_version < "{newer.python}"' if newer is not None else ""
        assert found[2] == " and ".join(filter(None, (since, until)))


def test_the_limits_are_those_of_the_engine_that_is_installed_here() -> None:
    [engine] = [one for one in ENGINES if one.version == onnxruntime.__version__]
    assert is_loaded(engine.opset, 8)
    assert not is_loaded(engine.opset + 1, 8)
    assert is_loaded(17, engine.ir_version)
    assert not is_loaded(17, engine.ir_version + 1)


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


def test_the_error_of_an_old_python_names_a_newer_one(tmp_path: Path) -> None:
    """These are the words of ONNX Runtime 1.19.2."""
    opset = (
        "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Failed to load model with error: "
        "/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void Validate(bool, int) "
        "ONNX Runtime only *guarantees* support for models stamped with official released onnx "
        "opset versions. Opset 22 is under development and support for this is limited. The "
        "operator schemas and or other functionality may change before next ONNX release and in "
        "this case ONNX Runtime will not guarantee backward compatibility. Current official "
        "support for domain ai.onnx is till opset 21."
    )
    assert why_not_loaded(RuntimeError(opset), tmp_path) == (
        "it is of opset 22, and this version runs up to 21: export the model again with that opset "
        "or a lower one, or use a device with Python 3.10 or newer"
    )
    form = "Unsupported model IR version: 12, max supported IR version: 10"
    assert why_not_loaded(RuntimeError(form), tmp_path).endswith(
        "set its ir_version and save it again, or use a device with Python 3.14 or newer"
    )
    assert "or use" not in why_not_loaded(RuntimeError(opset.replace("22", "99")), tmp_path)
    assert engine_for(99, 8) is None
