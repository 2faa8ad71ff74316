"""What runs in TVM's environment: ``python -m mli.compile.tvm.worker JOB.json RESULT.json``.

The job is a JSON object: the path of an ONNX ``model`` whose operators TVM's frontend reads, its
``signature``, the rule of ``suppression`` or null, and a folder for each of the ``targets``. The
result is ``{"ok": …}``, or ``{"error": one line}`` for a model that cannot be compiled.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from ...errors import MliError
from .relay import Signature, compile_model, import_tvm
from .suppression import Suppression
from .targets import TARGETS

_NAMED = ("operators are not supported", "not implemented", "has not been implemented")
_UNHELPFUL = "source maps are not populated"
_LONGEST = 300


class TvmFailure(MliError):
    """A model that TVM does not compile."""


def compile_all(job: Mapping[str, Any]) -> dict[str, Any]:
    """Compile the model for each target into its folder."""
    model = onnx.load(job["model"])
    signature = Signature(**job["signature"])
    rule = Suppression(**job["suppression"]) if job["suppression"] else None
    _say("loading TVM")
    tvm = import_tvm(Path(job["tvm"]))
    for name, folder in job["targets"].items():
        _say(f"compiling for {name}")
        try:
            compile_model(
                tvm, model, Path(folder), signature, target=TARGETS[name], suppression=rule
            )
        except Exception as error:  # whatever TVM raises: its passes fail in many ways
            reason = reason_of(str(error) or type(error).__name__)
            raise TvmFailure(f"TVM cannot compile the model for {name}: {reason}") from None
    return {"tvm": str(tvm.__version__), "onnx": onnx.__version__}


def reason_of(text: str) -> str:
    """Return the line of an error of TVM that says most: operators, else the first cause."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if _UNHELPFUL not in line]
    named = [line for line in told if any(part in line for part in _NAMED)]
    if named:
        return named[-1][:_LONGEST]
    causes = [line for line in told if "rror:" in line or "Check failed" in line]
    return ((causes or told or ["it does not say why"])[0])[:_LONGEST]


def _say(text: str) -> None:
    print(text, flush=True)


def main(job_file: str, result_file: str) -> None:
    """Run the job; TVM's own messages go to stderr, our progress to stdout."""
    job = json.loads(Path(job_file).read_text())
    try:
        result: dict[str, Any] = {"ok": compile_all(job)}
    except TvmFailure as error:
        result = {"error": str(error)}
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(*sys.argv[1:])
