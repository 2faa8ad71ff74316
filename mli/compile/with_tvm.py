"""``mli compile --with tvm``: from ONNX to a verified DLR artifact, on this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.model.profile import ModelProfile
from inference.vision.preprocess import Preprocessor

from ..cli.output import Output
from ..errors import MliError
from ..profile.dlr_child import DlrRun, run_in_child
from ..profile.files import PROFILE_FOLDER
from ..profile.proposal import Preprocessing, profile_values
from .artifact import Destination, finish, staged, write_profile
from .given_profile import given_profile, read_labels
from .report import description, predictions_of, report
from .tvm import environment
from .tvm.suppression import Suppression
from .tvm.targets import TARGETS, X86_64, Target
from .verification import TOLERANCE, compare_detections, compare_scores

_SOURCE = "hhb-tvm 3.2.3 from PyPI"


@dataclass(frozen=True)
class TvmOptions:
    """What the command line asks of a compilation with TVM."""

    model: str
    place: Destination
    target: str = X86_64.name
    kind: str = "auto"
    softmax: bool = False
    background: bool = False
    box_units: str = "auto"
    box_order: str = "auto"
    scores: str | None = None
    boxes: str | None = None
    input_shape: tuple[int, ...] | None = None
    profile: str | None = None
    labels: str | None = None
    image: str | None = None
    score_threshold: float | None = None
    iou_threshold: float | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)


@dataclass(frozen=True)
class _Compiled:
    """What is known after the worker and DLR have finished."""

    facts: Mapping[str, Any]
    run: DlrRun
    difference: float
    compared: int | None
    verified_on: Target


def compile_with_tvm(output: Output, options: TvmOptions) -> None:
    """Compile and verify a model, and only then write the artifact.

    Raises:
        MliError: if it cannot be compiled, or differs from onnxruntime.
    """
    target = TARGETS[options.target]
    _check(options, target)
    question = {
        "action": "describe",
        "model": Path(options.model).resolve(),
        "inputShape": options.input_shape,
        "scores": options.scores,
        "boxes": options.boxes,
    }
    output.say(f"reading {options.model}")
    described = environment.work(question, output)
    _check_description(options, described)
    with staged(options.place) as folder, tempfile.TemporaryDirectory(prefix="compile-") as work:
        profile = _profile(options, described, folder / PROFILE_FOLDER)
        form, rule = _form(options, described), _suppression(options, described)
        output.say(description(described, form, rule, profile))
        image, what = _image(options.image)
        probabilities = options.softmax or described["probabilities"]
        name = "probabilities" if probabilities else "logits"
        job = {**question, "form": form, "scoresName": name, "suppression": asdict(rule)}
        compiled = _compile(output, target, job, profile, image, folder, Path(work))
        provenance = _provenance(target, described, job, compiled, what)
        finish(folder, provenance)
        predictions = predictions_of(profile, compiled.run, image) if options.image else None
    report(output, options.place, target, profile, provenance, predictions)


def _check(options: TvmOptions, target: Target) -> None:
    if not Path(options.model).is_file():
        raise MliError(f"{options.model}: there is no such file")
    options.place.check()
    if not X86_64.runs_here():
        raise MliError("TVM's wheel needs an x86-64 processor with AVX2")
    if shutil.which("g++") is None:
        raise MliError("TVM needs a linker: install Debian's package g++")
    if target.linker and shutil.which(target.linker) is None:
        raise MliError(
            f"--target {target.name} needs {target.linker}: install Debian's package "
            f"{target.linker_package} (apt-get install {target.linker_package})"
        )


def _check_description(options: TvmOptions, described: Mapping[str, Any]) -> None:
    kind = described["kind"]
    if options.kind not in ("auto", kind):
        raise MliError(f"--kind {options.kind}: the model's outputs are those of a {kind} model")
    if kind == "classification" and options.softmax and described["probabilities"]:
        raise MliError("--softmax: the model returns probabilities already")
    if kind == "classification" and options.background:
        raise MliError("--background: is for detectors only")


def _form(options: TvmOptions, described: Mapping[str, Any]) -> dict[str, Any]:
    units, order = options.box_units, options.box_order
    return {
        "softmax": options.softmax,
        "background": options.background,
        "box_units": (described["boxUnits"] or "pixels") if units == "auto" else units,
        "box_order": (described["boxOrder"] or "xyxy") if order == "auto" else order,
    }


def _suppression(options: TvmOptions, described: Mapping[str, Any]) -> Suppression:
    """Return the rule of the options, else that of the model, else GluonCV's."""
    said = [
        ("score_threshold", described["scoreThreshold"]),
        ("iou_threshold", described["iouThreshold"]),
        ("score_threshold", options.score_threshold),
        ("iou_threshold", options.iou_threshold),
    ]
    return Suppression(**{name: value for name, value in said if value is not None})


def _profile(options: TvmOptions, described: Mapping[str, Any], folder: Path) -> ModelProfile:
    probabilities = options.softmax or described["probabilities"]
    if options.profile:
        values = given_profile(options.profile, described)
        said = values["output"].get("activation")
        if said and (said == "probabilities") != probabilities:
            is_said = "probabilities" if probabilities else "logits"
            raise MliError(
                f"--profile {options.profile}: says {said}, the compiled model returns {is_said}"
            )
    else:
        stem = Path(options.model).stem
        values = profile_values(described, options.preprocessing, stem, probabilities=probabilities)
    classes = described["classes"] - options.background
    labels = read_labels(options.labels, options.profile, classes, background=options.background)
    return write_profile(folder, values, labels)


def _image(path: str | None) -> tuple[Any, str]:
    """Return the image to verify with, and its name."""
    if path is None:
        generator = np.random.default_rng(7)
        coarse = generator.integers(0, 256, (12, 16, 3), np.uint8)
        smooth = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
        grain = generator.integers(0, 32, smooth.shape, np.uint8)
        return cv2.add(smooth, grain), "a generated image"
    image = cv2.imread(path)
    if image is None:
        raise MliError(f"--image {path}: cannot be read as an image")
    return image, path


def _compile(
    output: Output,
    target: Target,
    job: Mapping[str, Any],
    profile: ModelProfile,
    image: Any,
    folder: Path,
    work: Path,
) -> _Compiled:
    """Compile into ``folder``, and compare a run with onnxruntime's.

    What cannot run on this machine is also compiled for x86-64, and that copy is run.
    """
    tensor, _ = Preprocessor(profile.input)(image)
    np.save(work / "sample.npy", tensor)
    verified_on = target if target.runs_here() else X86_64
    folders = {target.name: work / "target"}
    folders.setdefault(verified_on.name, work / "twin")
    facts = environment.work(
        {
            **job,
            "action": "compile",
            "sample": work / "sample.npy",
            "expected": work / "expected.npz",
            "tvm": environment.tvm_folder(),
            "targets": folders,
        },
        output,
    )
    output.say(f"verifying against onnxruntime {facts['onnxruntime']}")
    run = run_in_child(folders[verified_on.name], profile.input.name, tensor)
    for array in run.outputs:
        if not np.isfinite(array).all():
            raise MliError("the compiled model returns values that are not finite")
    with np.load(work / "expected.npz") as expected:
        if profile.output.kind == "classification":
            difference, compared = compare_scores(run.outputs, expected), None
        else:
            size = (profile.input.width, profile.input.height)
            rule = Suppression(**job["suppression"])
            difference = compare_detections(run.outputs, expected, rule, size)
            compared = int((run.outputs[0] >= 0).sum())
    for path in (work / "target").iterdir():
        shutil.copyfile(path, folder / path.name)
    return _Compiled(facts, run, difference, compared, verified_on)


def _provenance(
    target: Target,
    described: Mapping[str, Any],
    job: Mapping[str, Any],
    compiled: _Compiled,
    image: str,
) -> dict[str, Any]:
    facts, form = compiled.facts, job["form"]
    detector = described["kind"] == "ssd"
    return {
        "source": {
            "file": Path(job["model"]).name,
            "sha256": described["sha256"],
            "producer": described["producer"],
            "opset": described["opset"],
            "scores": described["scores"],
            "boxes": described["boxes"] or None,
        },
        "compiler": {"tvm": facts["tvm"], "package": _SOURCE, "onnx": facts["onnx"]},
        "target": {"name": target.name, "llvm": target.llvm},
        "outputs": facts["outputs"],
        "options": {
            "softmax": form["softmax"],
            "background": form["background"],
            "boxUnits": form["box_units"] if detector else None,
            "boxOrder": form["box_order"] if detector else None,
            "suppression": job["suppression"] if detector else None,
        },
        "verified": {
            "against": f"onnxruntime {facts['onnxruntime']}",
            "image": Path(image).name,
            "detections": compiled.compared,
            "largestDifference": float(f"{compiled.difference:.3g}"),
            "tolerance": TOLERANCE,
            "ranOn": compiled.verified_on.name,
            "dlr": compiled.run.versions,
        },
    }
