"""ONNX to a DLR artifact, by TVM 0.16 (Relay)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx

from models.make.packages import TVM

TARGET = "llvm -mtriple=x86_64-linux-gnu -mcpu=core-avx2"
"""Every x86-64 CPU with AVX2; three times the speed of plain x86-64."""

_LINK_OPTIONS = ("-s", "-Wl,--build-id=none", "-Wl,--as-needed")
"""No symbol table: it holds the compiler's temporary paths. Link only libraries that are needed."""

SCORE_THRESHOLD = 0.01
IOU_THRESHOLD = 0.45
CANDIDATES = 400
DETECTIONS = 100
"""What GluonCV's SSD models suppress by, and how many rows they return."""


@dataclass(frozen=True)
class Signature:
    """Names and shapes of a compiled model's inputs and outputs, all float32."""

    inputs: Mapping[str, Sequence[int]]
    outputs: Mapping[str, Sequence[int]]

    def meta(self) -> str:
        """Return the content of ``compiled.meta``, from which DLR takes the outputs' names."""
        tensors = {
            kind: [{"name": n, "dtype": "float32", "shape": s} for n, s in values.items()]
            for kind, values in (("Inputs", self.inputs), ("Outputs", self.outputs))
        }
        requirements = {"TargetDevice": "CORE_AVX2", "TargetDeviceType": "cpu"}
        return json.dumps({"Model": tensors, "Requirements": requirements}, indent=1) + "\n"


def import_tvm(work: Path) -> ModuleType:
    """Import TVM from its wheel, which is for Python 3.10 but works through ctypes on others."""
    os.environ["TVM_FFI"] = "ctypes"
    os.environ["TOPHUB_LOCATION"] = "NONE"
    sys.path.insert(0, str(TVM.folder(work)))
    import tvm

    return tvm


def compile_model(source: Path, target: Path, signature: Signature, work: Path) -> None:
    """Compile the ONNX model ``source`` into the new folder ``target``.

    A model whose outputs are ``scores`` and ``boxes`` gets non-maximum suppression behind them,
    and the three outputs of GluonCV's SSD models.
    """
    tvm = import_tvm(work)
    from tvm import relay

    model = onnx.load(source)
    inputs = {name: tuple(shape) for name, shape in signature.inputs.items()}
    module, params = relay.frontend.from_onnx(model, shape=inputs, freeze_params=True)
    if [output.name for output in model.graph.output] == ["scores", "boxes"]:
        module = tvm.IRModule.from_expr(_with_suppression(relay, module["main"]))
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(relay.transform.InferType()(module), target=TARGET, params=params)
    target.mkdir(parents=True)
    built.get_lib().export_library(str(target / "compiled.so"), options=list(_LINK_OPTIONS))
    (target / "compiled_model.json").write_text(built.get_graph_json())
    (target / "compiled.params").write_bytes(relay.save_param_dict(built.get_params()))
    (target / "compiled.meta").write_text(signature.meta())


def _with_suppression(relay: ModuleType, function: Any) -> Any:
    """Turn scores [1,A,C] and boxes [1,A,4] into class ids, scores and boxes of 100 detections."""
    scores, boxes = function.body[0], function.body[1]
    best = relay.max(scores, axis=2, keepdims=True)
    ids = relay.cast(relay.argmax(scores, axis=2, keepdims=True), "float32")
    rows = relay.concatenate([ids, best, boxes], axis=2)
    valid = relay.vision.get_valid_counts(
        rows, score_threshold=SCORE_THRESHOLD, id_index=0, score_index=1
    )
    kept = relay.vision.non_max_suppression(
        valid[1], valid[0], valid[2],
        max_output_size=DETECTIONS,
        iou_threshold=IOU_THRESHOLD,
        force_suppress=False,
        top_k=CANDIDATES,
        coord_start=2,
        score_index=1,
        id_index=0,
        return_indices=False,
        invalid_to_bottom=True,
    )  # fmt: skip

    def columns(begin: int, end: int) -> Any:
        return relay.strided_slice(kept, begin=[0, 0, begin], end=[1, DETECTIONS, end])

    outputs = relay.Tuple([columns(0, 1), columns(1, 2), columns(2, 6)])
    return relay.Function(function.params, outputs)
