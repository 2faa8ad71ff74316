"""``mli demo reference``: what the demo models must return for the photographs.

The ONNX models are run by onnxruntime, which shares no code with TVM or DLR, and non-maximum
suppression is done here in NumPy. Each result is recorded twice: with the original weights, and
with weights rounded to float16 as they are in the packed artifact. The files go to
``tests/reference/``; their keys say how to read them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from mli.compile.tvm.suppression import DETECTIONS, suppress
from mli.demo.files import PHOTOGRAPHS as FOLDER
from mli.demo.photographs import PHOTOGRAPHS
from models.packing import LARGE, rounded

RECORDED_SCORES = {"roundedWeights": 0.05, "originalWeights": 0.3}
"""Detections below these are not recorded: rounding can change the order of the weak ones."""

Outputs = list[np.ndarray]


def stretched(image: np.ndarray, side: int) -> np.ndarray:
    """Scale to a square, losing the aspect ratio."""
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)


def centre_cropped(image: np.ndarray, shorter_side: int, side: int) -> np.ndarray:
    """Scale the shorter side, then cut the centre out."""
    height, width = image.shape[:2]
    ratio = shorter_side / min(height, width)
    size = (round(width * ratio), round(height * ratio))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    x, y = (size[0] - side) // 2, (size[1] - side) // 2
    return scaled[y : y + side, x : x + side]


def tensor(image: np.ndarray, scale: float, mean: Any, std: Any) -> np.ndarray:
    """Normalise a blue-green-red image into float32 [1,3,H,W], red first."""
    rgb = image[:, :, ::-1].astype(np.float64)
    return ((rgb * scale - mean) / std).astype(np.float32).transpose(2, 0, 1)[np.newaxis]


def detections(outputs: Outputs, kind: str) -> dict[str, Any]:
    """Describe a detector's outputs: how many detections, and all that scored enough."""
    ids, scores, boxes = suppress(outputs[0][0], outputs[1][0])
    shown = scores > RECORDED_SCORES[kind]
    return {
        "validCount": len(ids),
        "classIds": ids[shown].tolist(),
        "scores": plain(scores[shown]),
        "boxes": [plain(box) for box in boxes[shown]],
    }


def logits(outputs: Outputs, kind: str) -> dict[str, Any]:
    """Describe a classifier's outputs: all of them, whatever the ``kind`` of weights."""
    return {"logits": plain(outputs[0][0])}


def plain(values: np.ndarray) -> list[float]:
    """Return float32 values as the shortest decimals that read back to the same float32."""
    return [float(str(value)) for value in values.astype(np.float32)]


@dataclass(frozen=True)
class Case:
    """How a model's input is made from a photograph and its outputs are recorded."""

    recipe: str
    outputs: str
    make_input: Callable[[np.ndarray], np.ndarray]
    describe: Callable[[Outputs, str], dict[str, Any]]
    tolerances: Mapping[str, Mapping[str, float]]


_IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

CASES = {
    "ssdlite-mobilenet-v2-coco": Case(
        "cv2.imread; cv2.resize to 300x300, INTER_LINEAR; BGR to RGB; (pixel * "
        "0.00392156862745098 - mean) / std in float64, mean 0.485 0.456 0.406, std 0.229 0.224 "
        "0.225; float32 [1,3,300,300]",
        f"onnxruntime's scores and boxes after non-maximum suppression in NumPy. validCount: all "
        f"detections, at most {DETECTIONS}; the lists: those with a score above "
        f"{RECORDED_SCORES['roundedWeights']} (originalWeights: "
        f"{RECORDED_SCORES['originalWeights']}), best first; boxes as xmin, "
        "ymin, xmax, ymax in pixels of the 300x300 input",
        lambda image: tensor(stretched(image, 300), 0.00392156862745098, *_IMAGENET),
        detections,
        {
            "roundedWeights": {"score": 1e-5, "boxPixels": 1e-3},
            "originalWeights": {"score": 2e-3, "boxPixels": 0.5},
        },
    ),
    "efficientnet-lite0-imagenet": Case(
        "cv2.imread; cv2.resize so that the shorter side is 256, INTER_LINEAR, the other rounded; "
        "the centre 224x224; BGR to RGB; (pixel - 127) / 128 in float64; float32 [1,3,224,224]",
        "onnxruntime's 1000 logits",
        lambda image: tensor(centre_cropped(image, 256, 224), 1.0, 127.0, 128.0),
        logits,
        {"roundedWeights": {"logit": 1e-4}, "originalWeights": {"logit": 2e-2}},
    ),
}


def with_rounded_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model whose weights went through the packed form."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for initializer in copy.graph.initializer:
        array = rounded(numpy_helper.to_array(initializer))
        initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))
    return copy


def reference(name: str, model_file: Path, photographs: Path) -> dict[str, Any]:
    """Return everything that is recorded for one model."""
    case, model = CASES[name], onnx.load(model_file)
    sessions = {
        kind: onnxruntime.InferenceSession(
            variant.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        for kind, variant in (
            ("roundedWeights", with_rounded_weights(model)),
            ("originalWeights", model),
        )
    }
    results: dict[str, Any] = {}
    for photograph in PHOTOGRAPHS:
        path = photographs / f"{photograph}.jpg"
        data = case.make_input(cv2.imread(str(path)))
        results[path.name] = {
            "fileSha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "inputSha256": hashlib.sha256(data.tobytes()).hexdigest(),
            **{k: case.describe(s.run(None, {"data": data}), k) for k, s in sessions.items()},
        }
    return {
        "model": name,
        "madeBy": f"mli/demo/reference.py, onnxruntime {onnxruntime.__version__}, "
        f"OpenCV {cv2.__version__}",
        "input": case.recipe,
        "outputs": case.outputs,
        "weights": "roundedWeights: arrays of at least "
        f"{LARGE} elements rounded to float16, as in the packed artifact, so that DLR differs in "
        "the order of arithmetic only; originalWeights: as published, so that the difference "
        "includes what the rounding costs",
        "tolerances": case.tolerances,
        "photographs": results,
    }


def write_references(work: Path, folder: Path) -> list[Path]:
    """Write the references of all demo models, and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in CASES:
        found = reference(name, work / f"{name}.onnx", FOLDER)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(found, indent=None, separators=(",", ": ")) + "\n")
        written.append(path)
    return written
