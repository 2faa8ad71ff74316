"""ONNX to a DLR artifact, by TVM 0.16 (Relay). Runs in TVM's environment."""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from models.packing import read_params, write_params

from .layouts import DONE, laid_out
from .suppression import Suppression
from .targets import X86_64, Target

_LINK_OPTIONS = ("-s", "-Wl,--build-id=none", "-Wl,--as-needed")
"""No symbol table: it holds the compiler's temporary paths. Link only libraries that are needed."""


@dataclass(frozen=True)
class Signature:
    """Names and shapes of a compiled model's inputs and outputs, and the inputs' type."""

    inputs: Mapping[str, Sequence[int]]
    outputs: Mapping[str, Sequence[int]]
    input_dtype: str = "float32"

    def meta(self, device: str) -> str:
        """Return the content of ``compiled.meta``, from which DLR takes the outputs' names."""
        dtypes = {"Inputs": self.input_dtype, "Outputs": "float32"}
        tensors = {
            kind: [{"name": n, "dtype": dtypes[kind], "shape": s} for n, s in values.items()]
            for kind, values in (("Inputs", self.inputs), ("Outputs", self.outputs))
        }
        requirements = {"TargetDevice": device, "TargetDeviceType": "cpu"}
        return json.dumps({"Model": tensors, "Requirements": requirements}, indent=1) + "\n"


def import_tvm(folder: Path) -> ModuleType:
    """Import TVM from its wheel, which is for Python 3.10 but works through ctypes on others.

    The packagers' own frontend for TensorFlow Lite is left out: it imports their quantiser and so
    scipy, which takes as long as TVM itself. TVM's description of itself, for which the build asks
    at each shape, is read once.
    """
    os.environ["TVM_FFI"] = "ctypes"
    os.environ["TOPHUB_LOCATION"] = "NONE"
    sys.path.insert(0, str(folder))
    left_out = ModuleType("tvm.relay.frontend.tflite_hhb")
    left_out.__dict__["from_tflite_to_hhb"] = None
    sys.modules[left_out.__name__] = left_out
    tvm: ModuleType = importlib.import_module("tvm")
    tvm.support.libinfo = functools.cache(tvm.support.libinfo)
    return tvm


def compile_model(
    tvm: ModuleType,
    model: Any,
    folder: Path,
    signature: Signature,
    *,
    target: Target = X86_64,
    suppression: Suppression | None = None,
) -> None:
    """Compile the ONNX ``model`` into the new ``folder``.

    With ``suppression`` its outputs are scores [1,A,C] and boxes [1,A,4]; non-maximum suppression
    is appended, and the three outputs are those of GluonCV's SSD models.
    """
    relay: Any = importlib.import_module("tvm.relay")
    inputs = {name: tuple(shape) for name, shape in signature.inputs.items()}
    module, params = relay.frontend.from_onnx(model, shape=inputs, freeze_params=True)
    if suppression is not None:
        module = tvm.IRModule.from_expr(_with_suppression(relay, module["main"], suppression))
    module = laid_out(tvm, module, target.llvm)
    with tvm.transform.PassContext(opt_level=3, disabled_pass=DONE):
        built = relay.build(relay.transform.InferType()(module), target=target.llvm, params=params)
    folder.mkdir(parents=True)
    linker = {"fcompile": tvm.contrib.cc.cross_compiler(target.linker)} if target.linker else {}
    built.get_lib().export_library(
        str(folder / "compiled.so"), options=list(_LINK_OPTIONS), **linker
    )
    (folder / "compiled_model.json").write_text(built.get_graph_json())
    ordered = sorted(read_params(relay.save_param_dict(built.get_params())).items())
    (folder / "compiled.params").write_bytes(write_params(dict(ordered)))
    (folder / "compiled.meta").write_text(signature.meta(target.device))


def _with_suppression(relay: ModuleType, function: Any, rule: Suppression) -> Any:
    """Turn scores [1,A,C] and boxes [1,A,4] into class ids, scores and boxes, best first."""
    scores, boxes = function.body[0], function.body[1]
    best = relay.max(scores, axis=2, keepdims=True)
    ids = relay.cast(relay.argmax(scores, axis=2, keepdims=True), "float32")
    rows = relay.concatenate([ids, best, boxes], axis=2)
    valid = relay.vision.get_valid_counts(
        rows, score_threshold=rule.score_threshold, id_index=0, score_index=1
    )
    kept = relay.vision.non_max_suppression(
        valid[1], valid[0], valid[2],
        max_output_size=rule.detections,
        iou_threshold=rule.iou_threshold,
        force_suppress=False,
        top_k=rule.candidates,
        coord_start=2,
        score_index=1,
        id_index=0,
        return_indices=False,
        invalid_to_bottom=True,
    )  # fmt: skip

    def columns(begin: int, end: int) -> Any:
        return relay.strided_slice(kept, begin=[0, 0, begin], end=[1, rule.detections, end])

    outputs = relay.Tuple([columns(0, 1), columns(1, 2), columns(2, 6)])
    return relay.Function(function.params, outputs)
