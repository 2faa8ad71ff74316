"""What ``mli compile`` records and reports about a model that it compiled on this machine."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from inference.model.profiles.profile import ModelProfile
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor

from ..cli.output import Output
from .artifact import Destination
from .graphs.reading import opset_of
from .prepared import Prepared
from .reference import Reference
from .request import LocalRequest


@dataclass(frozen=True)
class Verified:
    """The comparison of an artifact with the original.

    ``detections`` counts those that were compared, None for a model that returns none. ``ran_on``
    is the target whose compiled form was run.
    """

    reference: Reference
    difference: float
    tolerance: float
    detections: int | None
    ran_on: str
    versions: Mapping[str, str]

    def facts(self) -> dict[str, Any]:
        """Return everything as values of JSON."""
        return {
            "against": f"onnxruntime {onnxruntime.__version__}",
            "image": Path(self.reference.name).name,
            "detections": self.detections,
            "largestDifference": float(f"{self.difference:.3g}"),
            "tolerance": self.tolerance,
            "ranOn": self.ran_on,
            "versions": dict(self.versions),
        }

    def summary(self, target: str) -> str:
        """Return the comparison in words; one without detections is not a verification."""
        name, threshold = Path(self.reference.name).name, "the profile's threshold"
        how = f"largest difference from the original {self.difference:.3g} on {name}"
        if self.detections == 0:
            how = f"not verified: no detection was compared, since neither finds one on {name}"
        elif self.reference.seen == 0:
            how += f", on detections below {threshold} only"
        if self.detections is not None and not self.reference.seen:
            how += "; give an --image with objects"
        if self.ran_on != target:
            how += f"; it was run as compiled for {self.ran_on} only, not for {target}"
        return how


def predictions_of(
    profile: ModelProfile, names: Sequence[str], outputs: list[Any], image: Any
) -> list[dict[str, Any]]:
    """Return what the profile would publish for the image that was run."""
    height, width = image.shape[:2]
    found = Postprocessor(profile, output_names=names)(outputs, fit(profile.input, width, height))
    return [
        {"prediction": one.label, "confidence": round(one.score, 6), "box": one.box}
        for one in found
    ]


def description(prepared: Prepared, profile: ModelProfile) -> str:
    """Return in one line the kind of model, its preprocessing, and how its outputs are read."""
    source, spec = prepared.source, profile.input
    shape = "×".join(map(str, source.shape))
    what = f"{source.kind} of {prepared.classes} classes"
    if source.kind == "raw":
        count = "" if prepared.labels is None else f" of {len(prepared.labels)} classes"
        what = f"output {profile.output.preset or profile.output.kind}{count}"
    cut = f" (cut at {', '.join(source.outputs)})" if source.cut else ""
    boxes = ""
    if source.boxes:
        boxes = (
            f"; boxes: {prepared.form.box_order} in {prepared.form.box_units}, suppressed from an "
            f"overlap of {prepared.rule.iou_threshold:g}, scores above "
            f"{prepared.rule.score_threshold:g}"
        )
    return (
        f"{what}{cut}, input {source.input} {source.dtype} {shape}{boxes}; "
        f"pixels: {spec.color_order}, {spec.resize}, scale {spec.scale:.6g}, "
        f"mean {list(spec.mean)}, std {list(spec.std)}"
    )


def provenance_of(
    request: LocalRequest, prepared: Prepared, verified: Verified, made_by: Mapping[str, str]
) -> dict[str, Any]:
    """Return where an artifact comes from, as values of JSON."""
    source, file = prepared.source, Path(request.model)
    model, form = source.model, asdict(prepared.form)
    detector = source.kind == "ssd"
    return {
        "source": {
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "producer": f"{model.producer_name} {model.producer_version}".strip(),
            "opset": opset_of(model),
            "outputs": source.outputs,
        },
        "compiler": dict(made_by),
        "options": {
            "softmax": form["softmax"],
            "background": form["background"],
            "boxUnits": form["box_units"] if detector else None,
            "boxOrder": form["box_order"] if detector else None,
            "suppression": asdict(prepared.rule) if detector else None,
        },
        "verified": verified.facts(),
    }


def report(
    output: Output,
    place: Destination,
    profile: ModelProfile,
    verified: Verified,
    predictions: list[dict[str, Any]] | None,
    *,
    target: str,
    runs_here: bool,
    note: str | None = None,
    quantised: Mapping[str, Any] | None = None,
    quantised_text: str = "",
) -> None:
    """Write the result: where the artifact is, how it was verified, and what to do next."""
    before = "before quantisation " if quantised else ""
    lines = [f"{place.path}: {profile.name} for {target}; {before}{verified.summary(target)}"]
    if quantised_text:
        lines.append(quantised_text)
    lines += [f"  {p['confidence']:.4f} {p['prediction']}" for p in predictions or []]
    if predictions == []:
        name = Path(verified.reference.name).name
        lines.append(f"  nothing above {profile.confidence_threshold:g} on {name}")
    model, described = (shlex.quote(str(one)) for one in (place.path, place.profile))
    context = f"-c modelPath={model} -c modelProfile={described}"
    lines.append(f"Next: npx cdk deploy … {context}")
    if runs_here:
        arguments = shlex.quote(f"--model {model} --profile {described}")
        lines.append(f"Try:  make run ARGS={arguments}")
    values = {
        "artifact": str(place.path),
        "profile": str(place.profile),
        "target": target,
        "verified": verified.facts(),
        "quantised": quantised,
        "note": note,
        "context": context,
        "predictions": predictions,
    }
    output.result(values, "\n".join(lines))
