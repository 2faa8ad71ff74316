"""What runs in TVM's environment: ``python -m mli.compile.tvm.worker JOB.json RESULT.json``.

The job is a JSON object with ``action`` (``describe`` or ``compile``) and that action's arguments.
The result is ``{"ok": …}``, or ``{"error": one line}`` for a model that cannot be compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from .canonical import Form, box_units, canonical, expected
from .graph import GraphError, Source, choose_outputs, first_line, noise, read_model, run
from .lowering import lowered
from .relay import Signature, compile_model, import_tvm
from .suppression import Suppression
from .targets import TARGETS

_UNSUPPORTED = "operators are not supported"


def describe(job: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the inputs and outputs of the model, by its graph and by a run on noise."""
    source = _source(job)
    arrays = dict(
        zip([o.name for o in source.model.graph.output], run(source, noise(source)), strict=True)
    )
    scores = arrays[source.scores]
    classes = scores.size
    if source.boxes:
        classes = scores.shape[1 if source.classes_first else 2]
    model = source.model
    return {
        "input": {
            "name": source.input,
            "shape": list(source.shape),
            "dtype": source.dtype,
            "layout": source.layout,
        },
        "kind": "ssd" if source.boxes else "classification",
        "scores": source.scores,
        "boxes": source.boxes,
        "cut": source.cut,
        "classes": int(classes),
        "probabilities": _are_probabilities(source, scores),
        "boxUnits": box_units(arrays[source.boxes]) if source.boxes else None,
        "boxOrder": source.box_order if source.boxes else None,
        "iouThreshold": source.iou_threshold,
        "scoreThreshold": source.score_threshold,
        "opset": next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0),
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "sha256": hashlib.sha256(Path(job["model"]).read_bytes()).hexdigest(),
    }


def compile_all(job: Mapping[str, Any]) -> dict[str, Any]:
    """Compile the model for each target into its folder, and save what onnxruntime returns."""
    source, form = _source(job), Form(**job["form"])
    tensor = np.load(job["sample"])
    arrays = expected(source, form, run(source, tensor))
    np.savez(job["expected"], **arrays)
    classes = arrays["scores"].shape[-1]
    rule = Suppression(**job["suppression"]) if source.boxes else None
    model = lowered(source, canonical(source, form, classes))
    outputs = {job["scoresName"]: [1, classes]}
    if rule is not None:
        rows = rule.detections
        outputs = {"class_ids": [1, rows, 1], "scores": [1, rows, 1], "boxes": [1, rows, 4]}
    signature = Signature({source.input: source.shape}, outputs, source.dtype)
    _say("loading TVM")
    tvm = import_tvm(Path(job["tvm"]))
    for name, folder in job["targets"].items():
        _say(f"compiling for {name}")
        _compile(tvm, model, Path(folder), signature, TARGETS[name], rule)
    return {
        "tvm": str(tvm.__version__),
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "outputs": outputs,
    }


def _compile(
    tvm: Any, model: Any, folder: Path, signature: Signature, target: Any, rule: Any
) -> None:
    try:
        compile_model(tvm, model, folder, signature, target=target, suppression=rule)
    except Exception as error:  # whatever TVM raises: its passes fail in many ways
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        unsupported = [line for line in lines if _UNSUPPORTED in line]
        reason = unsupported[-1] if unsupported else first_line(error)
        raise GraphError(f"TVM cannot compile the model for {target.name}: {reason}") from None


def _source(job: Mapping[str, Any]) -> Source:
    source = read_model(Path(job["model"]), job.get("inputShape"))
    return choose_outputs(source, job.get("scores"), job.get("boxes"))


def _are_probabilities(source: Source, scores: Any) -> bool:
    """Return whether scores are probabilities, by the last operation or by their sum."""
    last = [n.op_type for n in source.model.graph.node if source.scores in n.output]
    if last and last[0] in ("Softmax", "Sigmoid"):
        return True
    within = bool(scores.min() >= 0 and scores.max() <= 1)
    if source.boxes:
        return within
    return within and abs(float(scores.sum()) - 1) < 1e-3


def _say(text: str) -> None:
    print(text, flush=True)


_ACTIONS = {"describe": describe, "compile": compile_all}


def main(job_file: str, result_file: str) -> None:
    """Run the job; TVM's own messages go to stderr, our progress to stdout."""
    job = json.loads(Path(job_file).read_text())
    try:
        result: dict[str, Any] = {"ok": _ACTIONS[job["action"]](job)}
    except GraphError as error:
        result = {"error": str(error)}
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(*sys.argv[1:])
