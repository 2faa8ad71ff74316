"""What a model's outputs mean: from options and metadata to a profile's ``output``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.model.profiles.profile import ModelProfile
from inference.vision.decoders import UnfitOutputsError, fitting_presets

from ..errors import MliError
from ..profile.fitting import Returned
from ..profile.metadata import ExportMetadata
from ..profile.operators import ends_in_a_layer
from ..profile.proposal import Preprocessing, profile_values
from .artifact import write_profile
from .graphs.canonical import BOXES, SCORES, Form, box_units
from .graphs.facts import last_operator
from .graphs.reading import Source
from .request import LocalRequest
from .tvm.suppression import Suppression

_OF_BOXES = ("box_units", "box_order", "iou_threshold")
_NAMED_PRESETS = 12


def _given(request: LocalRequest, *names: str) -> list[str]:
    """Return those of the options that have another value than their default."""
    default = LocalRequest(model=request.model, place=request.place)
    given = (name for name in names if getattr(request, name) != getattr(default, name))
    return [f"--{name.replace('_', '-')}" for name in given]


def check_kind(source: Source, request: LocalRequest, *, probabilities: bool) -> None:
    """Raise ``MliError`` for options that do not go with the model's outputs.

    ``probabilities`` says whether the model itself returns them.
    """
    if request.kind not in ("auto", source.kind):
        what = "described by --preset or --profile" if source.kind == "raw" else source.kind
        raise MliError(f"--kind {request.kind}: the model's outputs are those of a {what} model")
    if source.kind == "raw":
        for option in _given(request, "softmax", "background", "score_threshold"):
            raise MliError(
                f"{option}: is for scores and boxes, and these outputs are described as a whole; "
                "say it in a profile's output instead"
            )
        for option in _given(request, *_OF_BOXES) if request.profile else ():
            raise MliError(
                f"{option} contradicts --profile, which describes the outputs as a whole"
            )
    if source.kind == "classification":
        if request.softmax and probabilities:
            raise MliError("--softmax: the model returns probabilities already")
        for option in _given(request, "background", "score_threshold", *_OF_BOXES):
            raise MliError(f"{option}: is for detectors only")


def check_classes(
    source: Source, request: LocalRequest, classes: int, *, said: bool, probabilities: bool
) -> None:
    """Raise ``MliError`` where one vector may as well be an embedding as scores of classes.

    ``said`` tells whether labels, a profile or metadata say that it has classes.
    """
    if classes == 1 and request.softmax:
        raise MliError("--softmax: the softmax of a single score is always 1; remove the option")
    if said or probabilities or request.softmax or request.kind == "classification":
        return
    raise MliError(
        f"output {source.scores}: {classes} numbers that are not probabilities may be scores of "
        "classes or an embedding, which has none: for classes add --labels FILE, or --kind "
        "classification"
    )


def form_of(source: Source, request: LocalRequest, boxes: Any) -> Form:
    """Return the form of scores and boxes, as the options say, or as it is recognised."""
    units, order = request.box_units, request.box_order
    if units == "auto":
        units = box_units(boxes) if source.boxes else "pixels"
    return Form(
        softmax=request.softmax,
        background=request.background,
        box_units=units,
        box_order=source.box_order if order == "auto" else order,
    )


def suppression_of(source: Source, request: LocalRequest) -> Suppression:
    """Return the rule of the options, else that of the model, else GluonCV's."""
    rule = Suppression()
    for said in (source, request):
        if said.score_threshold is not None:
            rule = replace(rule, score_threshold=said.score_threshold)
        if said.iou_threshold is not None:
            rule = replace(rule, iou_threshold=said.iou_threshold)
    return rule


def output_of_head(
    source: Source, rule: Suppression, *, probabilities: bool, compiled_in: bool
) -> dict[str, Any]:
    """Return the profile's ``output`` for scores, or for scores and boxes, in the compiled form.

    ``compiled_in`` says that the engine's model suppresses detections itself.
    """
    if source.kind == "classification":
        values: dict[str, Any] = {
            "kind": "classification",
            "activation": "probabilities" if probabilities else "logits",
        }
        return values
    if compiled_in:
        return {"kind": "gluoncv-ssd"}
    return {
        "kind": "dense",
        "activation": "probabilities",
        "boxOrder": "xyxy",
        "units": "pixels",
        "anchorAxis": 1,
        "separateScores": True,
        "iouThreshold": rule.iou_threshold,
        "maxDetections": rule.detections,
        "outputs": {"scores": SCORES, "boxes": BOXES},
    }


def output_as_described(
    source: Source,
    arrays: Mapping[str, Any],
    request: LocalRequest,
    metadata: ExportMetadata | None,
) -> dict[str, Any]:
    """Return the profile's ``output`` for a head that the core decodes, without a given profile.

    ``arrays`` are outputs by name.

    Raises:
        MliError: if the metadata contradict the outputs.
    """
    values: dict[str, Any] = {}
    if request.preset:
        values = _by_preset(source, arrays, request.preset)
    elif metadata is not None:
        values = metadata.output_fields([array.shape for array in arrays.values()])
    if request.box_order != "auto":
        values["boxOrder"] = request.box_order
    if request.box_units != "auto":
        values["units"] = request.box_units
    if request.iou_threshold is not None:
        values["iouThreshold"] = request.iou_threshold
    return values


def _by_preset(source: Source, arrays: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Return the ``output`` of a preset, with what this model has otherwise, as its outputs tell.

    Outputs that the preset does not read are refused later, when those of an image are read.
    """
    unlimited = {name for name in arrays if ends_in_a_layer(source.model.graph, name)}
    returned = Returned(list(arrays.values()), list(arrays), (), frozenset(unlimited))
    draft = _draft(source, {"preset": preset})
    try:
        return {"preset": preset, **returned.fitting_preset(draft, preset).more}
    except UnfitOutputsError:
        return {"preset": preset}


def advice(source: Source, arrays: Mapping[str, Any]) -> str:
    """Return the presets that read the outputs of a model that nothing describes."""
    profile = _draft(source, {"kind": "gluoncv-ssd"})
    fitting = fitting_presets(profile, list(arrays.values()), list(arrays))
    more = ", …" if len(fitting) > _NAMED_PRESETS else ""
    listed = ", ".join(fitting[:_NAMED_PRESETS]) or "none"
    return f"Presets that read such outputs: {listed}{more}"


def _draft(source: Source, output: Mapping[str, Any]) -> ModelProfile:
    """Return a profile of the model's input, without labels."""
    values = profile_values({"input": source.input_fields}, Preprocessing(), "m", output=output)
    with tempfile.TemporaryDirectory(prefix="compile-") as folder:
        return write_profile(Path(folder), values, None)


def is_multi_label(source: Source, classes: int) -> bool:
    """Return whether a classifier scores each of several classes by itself, with a sigmoid."""
    return classes > 1 and last_operator(source, source.scores) == "Sigmoid"


def given_output(
    given: Mapping[str, Any], own: Mapping[str, Any], *, probabilities: bool, name: str
) -> dict[str, Any]:
    """Return ``own``, the output in the compiled form, with what a given profile adds to it.

    Boxes of a compiled detector are in pixels, whatever unit the original has, and quantised scores
    are real numbers: what the profile says about those is about the original.

    Raises:
        MliError: if the profile says another kind, or other scores.
    """
    kind, wanted = given.get("kind"), own["kind"]
    if wanted != "classification":
        wanted = "gluoncv-ssd"
    if kind != wanted:
        raise MliError(
            f"--profile {name}: says output kind {kind}, the compiled model's is {wanted}"
        )
    said = given.get("activation")
    if kind == "classification" and said and (said == "probabilities") != probabilities:
        is_said = "probabilities" if probabilities else "logits"
        raise MliError(f"--profile {name}: says {said}, the compiled model returns {is_said}")
    more = {"multiLabel": given["multiLabel"]} if "multiLabel" in given else {}
    return {**own, **more}
