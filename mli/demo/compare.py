"""``mli demo compare``: how much DLR's results differ from the references."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from mli.demo.files import PHOTOGRAPHS, REFERENCES
from mli.demo.reference import CASES, RECORDED_SCORES
from models.store import unpacked

LABELS = Path("edge_functions/dlr_inference/inference/profiles")


def import_dlr() -> ModuleType:
    """Import DLR without the module that reports to its authors on import and on each load."""
    silent: Any = ModuleType("dlr.counter")
    silent.call_phone_home = lambda function: function
    sys.modules["dlr.counter"] = silent
    import dlr

    return dlr


def differences(outputs: list[np.ndarray], expected: dict[str, Any], kind: str) -> dict[str, float]:
    """Return the largest difference of each kind; the count and order must be equal."""
    if "logits" in expected:
        return {"logit": float(np.abs(outputs[0][0] - expected["logits"]).max())}
    ids, scores, boxes = outputs[0][0, :, 0], outputs[1][0, :, 0], outputs[2][0]
    shown = (ids >= 0) & (scores > RECORDED_SCORES[kind])
    if ids[shown].astype(int).tolist() != expected["classIds"]:
        return {"count": float(shown.sum()) - len(expected["classIds"]), "order": float("nan")}
    return {
        "valid": float((ids >= 0).sum()) - expected["validCount"],
        "score": float(np.abs(scores[shown] - expected["scores"]).max()),
        "boxPixels": float(np.abs(boxes[shown] - expected["boxes"]).max()),
    }


def best(name: str, outputs: list[np.ndarray]) -> str:
    """Describe the best predictions in words."""
    labels = (LABELS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    if len(outputs) == 1:
        powers = np.exp(outputs[0][0] - outputs[0][0].max())
        scores, ids = powers / powers.sum(), np.arange(len(labels))
    else:
        scores, ids = outputs[1][0, :, 0], outputs[0][0, :, 0].astype(int)
    rows = [row for row in np.argsort(-scores)[:5] if scores[row] > 0.05]
    return "; ".join(f"{labels[ids[row]]} {scores[row]:.3f}" for row in rows)


def compare() -> None:
    """Run every model on every photograph and print predictions and differences."""
    dlr = import_dlr()
    for name, case in CASES.items():
        expected = json.loads((REFERENCES / f"{name}.json").read_text())["photographs"]
        model = dlr.DLRModel(str(unpacked(name)), "cpu")
        for photograph, results in expected.items():
            data = case.make_input(cv2.imread(str(PHOTOGRAPHS / photograph)))
            outputs = [np.array(output) for output in model.run({"data": data})]
            print(name, photograph, best(name, outputs))
            for kind in case.tolerances:
                print("   ", kind, differences(outputs, results[kind], kind))
