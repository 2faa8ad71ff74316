"""``mli profile``: what an artifact holds, its profile, and what it predicts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from inference.model.artifact import model_folder
from inference.model.labels import read_labels
from inference.model.profile import ModelProfile, builtin_profiles, labels_path, load_profile
from inference.model.unpacking import unpack
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor
from inference.vision.preprocess import Preprocessor

from ..cli.options import labels_option
from ..cli.output import Output, examples, reporting
from ..errors import MliError
from .dlr_child import DlrRun, run_in_child
from .inspection import Inspection, Tensor, inspect
from .proposal import Preprocessing, profile_values

SAMPLE = Path(__file__).parents[2] / "edge_functions/dlr_inference/sample_images/coffee.jpg"
_SHOWN = 5
_EXAMPLES = examples(
    "mli profile model.tar.gz",
    "mli profile model.tar.gz --labels fruit.txt --image apple.jpg --output fruit.json",
    "mli profile build/fruit --json",
)


@click.command(epilog=_EXAMPLES)
@click.argument("artifact", type=click.Path(exists=True))
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Image to predict; default: a sample photograph.",
)
@labels_option
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="File to write the profile to, with its labels beside it; default: stdout.",
)
@reporting
def profile(
    output: Output, artifact: str, image: str | None, labels: str | None, target: str | None
) -> None:
    """Inspect ARTIFACT, a folder or an archive, and propose its profile.

    The model is run once, in a process of its own. What an artifact does not say, such as the
    normalisation of pixels, is proposed as for models trained on ImageNet: check it against your
    training.
    """
    with tempfile.TemporaryDirectory(prefix="profile-") as work:
        path = Path(artifact)
        folder = path if path.is_dir() else unpack(path, Path(work))
        found = inspect(model_folder(folder))
        _describe(output, found)
        values, names = _profile(output, found, path, labels)
        written = Path(target) if target else Path(work) / "proposed" / "profile.json"
        read = _write(written, values, names)
        predictions, run = _smoke(output, found, read, image)
    shown = json.dumps({**values, "labels": f"{written.stem}.txt" if names else None}, indent=2)
    text = f"{target}: the profile of {read.name}" if target else shown
    result = {
        **found.facts(),
        "versions": run.versions if run else None,
        "profile": json.loads(shown),
        "predictions": predictions,
    }
    output.result(result, text)


def _describe(output: Output, found: Inspection) -> None:
    size = sum(found.files.values()) / 1e6
    listed = ", ".join(found.files)
    checked = "compared with their digests" if found.has_digests else "no digests recorded"
    output.say(f"{found.folder}: {listed} ({size:.1f} MB, {checked})")
    device = found.meta.get("Requirements", {}).get("TargetDevice")
    output.say(f"target: {found.machine}{f', {device}' if device else ''}")
    if found.provenance:
        compiler, source = found.provenance["compiler"], found.provenance["source"]
        by = f"TVM {compiler['tvm']}" if "tvm" in compiler else "mli compile --with onnxruntime"
        output.say(f"compiled by {by} from {source['file']}")
    for what, tensors in (("input", found.inputs), ("output", found.outputs)):
        for tensor in tensors:
            output.say(f"{what}: {tensor}")


def _profile(
    output: Output, found: Inspection, path: Path, labels: str | None
) -> tuple[dict[str, Any], list[str] | None]:
    """Return the values of the artifact's own profile or of a proposed one, and the labels."""
    own, names = found.own_profile, None
    if own is not None:
        load_profile(own)
        file = labels_path(own)
        names = read_labels(file) if file else None
        output.say(f"it has its own profile: {own}")
        values: dict[str, Any] = json.loads(own.read_text(encoding="utf-8-sig"))
    else:
        values = _proposed(output, found, path)
    if labels:
        try:
            names = read_labels(Path(labels))
        except UnicodeDecodeError:
            raise MliError(f"--labels {labels}: is not UTF-8 text") from None
    return values, names


def _proposed(output: Output, found: Inspection, path: Path) -> dict[str, Any]:
    if len(found.inputs) != 1:
        listed = ", ".join(map(str, found.inputs)) or "none named in its graph"
        raise MliError(f"{path}: has the inputs {listed}; a profile describes one image")
    spec = _input(found.inputs[0])
    kind = _kind(found.outputs)
    probabilities = kind == "classification" and _sums_to_one(found)
    form: dict[str, Any] = {"kind": kind}
    if kind == "classification":
        form["activation"] = "probabilities" if probabilities else "logits"
    stem = path.name.removesuffix(".tar.gz").removesuffix(".zip")
    values = profile_values({"input": spec}, Preprocessing(), stem, output=form)
    same = [
        name for name in builtin_profiles()
        if list(load_profile(name).input.shape) == spec["shape"]
        and load_profile(name).output.kind == kind
    ]  # fmt: skip
    if same:
        output.say(f"built-in profiles with this input and output kind: {', '.join(same)}")
    one = values["input"]
    output.say(
        f"proposed, not known: {one['colorOrder']}, {one['resize']}, scale {one['scale']:.6g}, "
        f"mean {one['mean']}, std {one['std']}, threshold {values['confidenceThreshold']}"
    )
    return values


def _input(tensor: Tensor) -> dict[str, Any]:
    shape = list(tensor.shape)
    if len(shape) != 4 or shape[0] != 1 or not {1, 3} & {shape[1], shape[3]}:
        raise MliError(f"input {tensor}: a profile describes one image, [1,3,H,W] or [1,H,W,3]")
    layout = "NCHW" if shape[1] in (1, 3) else "NHWC"
    return {"name": tensor.name, "shape": shape, "layout": layout, "dtype": tensor.dtype}


def _kind(outputs: tuple[Tensor, ...]) -> str:
    shapes = [one.shape for one in outputs]
    rows = shapes[0][1] if shapes and len(shapes[0]) > 1 else 0
    if shapes == [(1, rows, 1), (1, rows, 1), (1, rows, 4)]:
        return "gluoncv-ssd"
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][2] == 6:
        return "sagemaker-ssd"
    if len(shapes) == 1 and int(np.prod(shapes[0])) == max(shapes[0], default=0):
        return "classification"
    listed = ", ".join(map(str, outputs)) or "none named in its graph"
    raise MliError(f"outputs {listed}: no output kind of a profile (docs/profiles.md) is like that")


def _sums_to_one(found: Inspection) -> bool:
    """Return whether a classifier's scores are probabilities, by a run on noise."""
    if not found.runs_here:
        return False
    one = found.inputs[0]
    noise = np.random.default_rng(7).standard_normal(one.shape).astype(one.dtype)
    scores = run_in_child(found.folder, one.name, noise).outputs[0]
    return bool(scores.min() >= 0 and abs(float(scores.sum()) - 1) < 1e-3)


def _write(path: Path, values: Mapping[str, Any], names: list[str] | None) -> ModelProfile:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = path.with_suffix(".txt")
    if names:
        labels.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    named = {**values, "labels": labels.name if names else None}
    path.write_text(json.dumps(named, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return load_profile(path)


def _smoke(
    output: Output, found: Inspection, read: ModelProfile, image: str | None
) -> tuple[list[dict[str, Any]] | None, DlrRun | None]:
    """Predict an image and show the best results; a model for another machine is not run."""
    if not found.runs_here:
        output.say(f"not run: it is compiled for {found.machine}")
        return None, None
    file = Path(image) if image else SAMPLE
    pixels = cv2.imread(str(file))
    if pixels is None:
        raise MliError(f"--image {file}: cannot be read as an image")
    tensor, _ = Preprocessor(read.input)(pixels)
    run = run_in_child(found.folder, read.input.name, tensor)
    output.say("ran with " + ", ".join(f"{k} {v}" for k, v in run.versions.items()))
    if not all(np.isfinite(array).all() for array in run.outputs):
        raise MliError(f"model {found.folder}: returns values that are not finite")
    height, width = pixels.shape[:2]
    chosen = Postprocessor(read, confidence_threshold=0.0, top_k=_SHOWN)
    predictions = [
        {"prediction": one.label, "confidence": round(one.score, 6), "box": one.box}
        for one in chosen(run.outputs, fit(read.input, width, height))
    ]
    best = ", ".join(f"{p['prediction']} {p['confidence']:.3f}" for p in predictions)
    output.say(f"{file.name}: {best or 'nothing seen'}")
    return predictions, run
