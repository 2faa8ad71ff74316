"""Which models the ONNX Runtime of each device loads."""

from __future__ import annotations

import re
from pathlib import Path

import onnxruntime

from inference.model.engines.onnx_failure import why_not_loaded
from inference.model.engines.onnx_versions import ENGINES, engine_for

from .tiny_onnx import identity

REQUIREMENTS = (
    Path(__file__).parents[2] / "edge_functions/dlr_inference/requirements-onnxruntime.txt"
)


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
