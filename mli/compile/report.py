"""What ``mli compile --with tvm`` reports about a model and its artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.model.profile import ModelProfile
from inference.vision.geometry import fit
from inference.vision.postprocess import Postprocessor

from ..cli.output import Output
from ..profile.dlr_child import DlrRun
from .artifact import Destination
from .tvm.suppression import Suppression
from .tvm.targets import Target


def predictions_of(profile: ModelProfile, run: DlrRun, image: Any) -> list[dict[str, Any]]:
    """Return what the profile would publish for the image that was run."""
    height, width = image.shape[:2]
    found = Postprocessor(profile)(run.outputs, fit(profile.input, width, height))
    return [
        {"prediction": one.label, "confidence": round(one.score, 6), "box": one.box}
        for one in found
    ]


def description(
    described: Mapping[str, Any],
    form: Mapping[str, Any],
    rule: Suppression,
    profile: ModelProfile,
) -> str:
    """Return in one line the kind of model, its preprocessing, and how its boxes are read."""
    spec = described["input"]
    shape = "×".join(map(str, spec["shape"]))
    cut = ", ".join(name for name in (described["scores"], described["boxes"]) if name)
    where = f" (cut at {cut})" if described["cut"] else ""
    one = profile.input
    boxes = ""
    if described["boxes"]:
        boxes = (
            f"; boxes: {form['box_order']} in {form['box_units']}, suppressed from an overlap of "
            f"{rule.iou_threshold:g}, scores above {rule.score_threshold:g}"
        )
    return (
        f"{described['kind']} of {described['classes']} classes{where}, input {spec['name']} "
        f"{spec['dtype']} {shape}{boxes}; pixels: {one.color_order}, {one.resize}, "
        f"scale {one.scale:.6g}, mean {list(one.mean)}, std {list(one.std)}"
    )


def report(
    output: Output,
    place: Destination,
    target: Target,
    profile: ModelProfile,
    provenance: Mapping[str, Any],
    predictions: list[dict[str, Any]] | None,
) -> None:
    """Write the result: where the artifact is, how it was verified, and what to do next."""
    checked = provenance["verified"]
    how = f"largest difference from onnxruntime {checked['largestDifference']:g}"
    if checked["detections"] == 0:
        how = (
            f"no detection was compared, since neither finds one on {checked['image']}; "
            "give an --image with objects"
        )
    if checked["ranOn"] != target.name:
        how += f", verified on {checked['ranOn']} with the same graph only, not for {target.name}"
    lines = [f"{place.path}: {profile.name} for {target.name}; {how}"]
    lines += [f"  {p['confidence']:.4f} {p['prediction']}" for p in predictions or []]
    if predictions == []:
        lines.append(f"  nothing above {profile.confidence_threshold:g} on {checked['image']}")
    context = f"-c modelPath={place.path} -c modelProfile={place.profile}"
    lines.append(f"Next: npx cdk deploy … {context}")
    if target.runs_here():
        lines.append(f"Try:  make run ARGS='--model {place.path} --profile {place.profile}'")
    values = {
        "artifact": str(place.path),
        "profile": str(place.profile),
        "target": target.name,
        "verified": checked,
        "context": context,
        "predictions": predictions,
    }
    output.result(values, "\n".join(lines))
