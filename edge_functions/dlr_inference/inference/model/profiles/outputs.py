"""What a profile says about a model's outputs: its kind, a family's preset, and their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Tuple, Union

from ...schema import (
    Fault,
    Field,
    attributes,
    boolean,
    choice,
    integer,
    number,
    parse_fields,
    words,
)
from .output_rules import contradictions
from .presets import PRESETS

OutputNames = Tuple[Tuple[str, Union[str, int]], ...]
"""Pairs of a role, such as ``boxes``, and the output's name or position, counted from 0."""

OUTPUT_KINDS = (
    "gluoncv-ssd",
    "sagemaker-ssd",
    "classification",
    "dense",
    "grid",
    "rows",
    "lists",
    "queries",
    "segmentation",
)
ACTIVATIONS = ("probabilities", "logits", "sigmoid", "softmax")
BOX_UNITS = ("pixels", "fractions")
BOX_ORDERS = ("xyxy", "cxcywh", "yxyx", "xywh")
BOX_CODES = ("yolox", "yolov3", "yolov5", "ltrb", "dfl", "ssd", "centernet", "centerface")
OBJECTNESS = ("none", "multiply", "only", "geometric")
COLUMNS = {"box": 4, "score": 1, "class": 1, "keypoints": 0, "angle": 1, "ignored": 1}
"""The words of ``columns``, and how many values each stands for; ``keypoints`` says its own."""

ROLES = {
    "gluoncv-ssd": (),
    "sagemaker-ssd": (),
    "classification": ("scores",),
    "dense": ("rows", "boxes", "scores"),
    "grid": ("rows", "boxes", "scores", "objectness", "keypoints", "sizes", "offsets"),
    "rows": ("rows", "count"),
    "lists": ("boxes", "scores", "labels", "count", "keypoints"),
    "queries": ("rows", "boxes", "scores"),
    "segmentation": ("map",),
}  # fmt: skip
"""The roles that outputs play in each kind, which ``outputs`` maps to their names. Those of a grid
also end in the stride, such as ``boxes8``."""

_MAX_POINTS = 500


@dataclass(frozen=True)
class OutputSpec:
    """How to read a model's outputs; docs/profiles.md describes each field and where it applies.

    Scores that are whole numbers mean (number − ``zero_point``) · ``scale``. An ``iou_threshold``
    of 1 suppresses nothing. ``outputs`` that a preset gives are only the usual names: a model may
    have others.
    """

    kind: str
    activation: str = "probabilities"
    units: str = "pixels"
    scale: float | None = None
    zero_point: float = 0.0
    preset: str | None = None
    outputs: OutputNames = ()
    names_are_usual: bool = False
    box_order: str = "xyxy"
    anchor_axis: int = 1
    separate_scores: bool = False
    objectness: str = "none"
    background: str = "none"
    class_base: int = 0
    class_axis: int = 1
    columns: tuple[str, ...] = ()
    keypoints: tuple[int, int] | None = None
    extra_values: int = 0
    angle: bool = False
    strides: tuple[int, ...] = ()
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()
    box_code: str = "yolox"
    cell_point: float = 0.0
    anchors_per_cell: int = 1
    bins: int = 8
    scores_first: bool = False
    iou_threshold: float = 1.0
    max_detections: int = 300
    multi_label: bool = False


def _column_words(value: object) -> tuple[str, ...]:
    rule = "must be a list of " + ", ".join(COLUMNS) + ", with box, score and class once each"
    try:
        found = words(value)
    except ValueError:
        raise ValueError(rule) from None
    once = ("box", "score", "class")
    if not set(found) <= set(COLUMNS) or any(found.count(word) != 1 for word in once):
        raise ValueError(rule)
    if found.count("keypoints") > 1 or found.count("angle") > 1:
        raise ValueError(rule)
    return found


def _whole_numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 8:
        raise ValueError("must be a list of 1 to 8 whole numbers")
    one = integer(1, 1024)
    return tuple(one(item) for item in value)


def _keypoints(value: object) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and value[1] in (2, 3):
        return integer(1, _MAX_POINTS)(value[0]), int(value[1])
    raise ValueError("must be the number of points, and the values of each: 2, or 3 with a score")


def _anchors(value: object) -> tuple[tuple[tuple[float, float], ...], ...]:
    rule = "must be a list for each stride, of the pairs of width and height of its anchors"
    side = number(0, 1e5)
    try:
        levels = [[(side(w), side(h)) for w, h in level] for level in value]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValueError(rule) from None
    if not levels or not levels[0] or any(len(level) != len(levels[0]) for level in levels):
        raise ValueError(rule)
    return tuple(tuple(level) for level in levels)


def _outputs(value: object) -> OutputNames:
    rule = "must be an object of roles, each with an output's name or its position from 0"
    if not isinstance(value, dict) or not value:
        raise ValueError(rule)
    for name in value.values():
        is_position = isinstance(name, int) and not isinstance(name, bool) and 0 <= name < 1000
        if not is_position and not (isinstance(name, str) and name):
            raise ValueError(rule)
    return tuple(value.items())


OUTPUT_FIELDS: tuple[Field[Any], ...] = (
    Field("preset", choice(*PRESETS), None, '"yolo11"'),
    Field("kind", choice(*OUTPUT_KINDS), None, '"classification"'),
    Field("activation", choice(*ACTIVATIONS), None, '"logits"'),
    Field("units", choice(*BOX_UNITS), None, '"fractions"'),
    Field("scale", number(1e-12, 1e6), None, "0.00390625"),
    Field("zeroPoint", number(-1e6, 1e6), 0.0, "0"),
    Field("outputs", _outputs, (), '{"boxes": "pred_boxes", "scores": "logits"}'),
    Field("boxOrder", choice(*BOX_ORDERS), "xyxy", '"cxcywh"'),
    Field("anchorAxis", integer(1, 2), 1, "2"),
    Field("separateScores", boolean, None, "true"),
    Field("objectness", choice(*OBJECTNESS), "none", '"multiply"'),
    Field("background", choice("none", "first", "last"), "none", '"first"'),
    Field("classBase", integer(0, 1), 0, "1"),
    Field("classAxis", choice("1", "3"), "1", "1"),
    Field("columns", _column_words, (), '["box", "score", "class"]'),
    Field("keypoints", _keypoints, None, "[17, 3]"),
    Field("extraValues", integer(0, 10_000), 0, "32"),
    Field("angle", boolean, False, "true"),
    Field("strides", _whole_numbers, (), "[8, 16, 32]"),
    Field("anchors", _anchors, (), "[[[10, 13], [16, 30], [33, 23]]]"),
    Field("boxCode", choice(*BOX_CODES), "yolox", '"yolox"'),
    Field("cellPoint", number(0, 1), 0.0, "0.5"),
    Field("anchorsPerCell", integer(1, 16), 1, "2"),
    Field("bins", integer(2, 64), 8, "16"),
    Field("scoresFirst", boolean, False, "true"),
    Field("iouThreshold", number(0, 1), None, "0.45"),
    Field("maxDetections", integer(1, 1000), 300, "300"),
    Field("multiLabel", boolean, False, "true"),
)

_QUANTISED = ("scale", "zeroPoint")
_SUPPRESSED = ("iouThreshold", "maxDetections")
_OLD = ("activation", "units", *_QUANTISED)
_DENSE = (
    "activation", "boxOrder", "units", "anchorAxis", "separateScores", "objectness", "background",
    "keypoints", "extraValues", "angle", *_SUPPRESSED, *_QUANTISED,
)  # fmt: skip

APPLICABLE: Mapping[str, tuple[str, ...]] = {
    "gluoncv-ssd": _OLD,
    "sagemaker-ssd": _OLD,
    "classification": (*_OLD, "multiLabel"),
    "dense": _DENSE,
    "queries": _DENSE,
    "grid": (
        "strides", "boxCode", "anchors", "activation", "objectness", "background", "keypoints",
        "separateScores", "scoresFirst", "cellPoint", "anchorsPerCell", "bins",
        *_SUPPRESSED, *_QUANTISED,
    ),
    "rows": (
        "columns", "boxOrder", "units", "classBase", "keypoints", *_SUPPRESSED, *_QUANTISED,
    ),
    "lists": ("boxOrder", "units", "classBase", *_SUPPRESSED, *_QUANTISED),
    "segmentation": ("activation", "classAxis"),
}  # fmt: skip
"""The fields of each kind, beside ``preset``, ``kind`` and ``outputs``."""

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "dense": ("activation", "boxOrder", "units", "anchorAxis"),
    "queries": ("activation",),
    "grid": ("strides", "boxCode", "activation"),
    "rows": ("columns", "boxOrder", "units"),
    "lists": ("boxOrder", "units"),
}
"""What has no default in a kind: a wrong guess would show boxes at wrong places."""

_ACTIVATIONS: Mapping[str, tuple[str, ...]] = {
    "classification": ("probabilities", "logits"),
    "dense": ("probabilities", "sigmoid", "softmax"),
    "queries": ("probabilities", "sigmoid", "softmax"),
    "grid": ("probabilities", "sigmoid"),
    "segmentation": ("probabilities", "logits"),
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "sagemaker-ssd": {"units": "fractions", "columns": ["class", "score", "box"]},
    "dense": {"iouThreshold": 0.45},
    "grid": {"iouThreshold": 0.45},
    "queries": {"boxOrder": "cxcywh", "units": "fractions", "separateScores": True},
}
"""Defaults that differ from those of the fields."""


def parse_output(values: Mapping[str, Any]) -> tuple[OutputSpec | None, list[Fault]]:
    """Read the ``output`` of a profile; None with every fault, their keys without ``output.``."""
    preset = PRESETS.get(str(values.get("preset")), {})
    given = {key: value for key, value in values.items() if value is not None}
    merged = {**preset, **given}
    parsed, faults = parse_fields(OUTPUT_FIELDS, merged)
    kind = parsed["kind"]
    if kind is None and not any(fault.key in ("kind", "preset") for fault in faults):
        faults.append(Fault("kind", None, "is required, unless there is a preset", '"dense"'))
    if preset and kind not in (None, preset["kind"]):
        rule = f"must be left out beside preset {values['preset']}, which is {preset['kind']}"
        faults.append(Fault("kind", kind, rule))
    if faults or kind is None:
        return None, faults
    usual = {**_DEFAULTS.get(kind, {}), **merged}
    parsed, _ = parse_fields(OUTPUT_FIELDS, usual)
    faults = [*_strange_fields(kind, merged), *_missing_fields(kind, merged)]
    faults += contradictions(kind, parsed, _ACTIVATIONS.get(kind))
    if faults:
        return None, faults
    return _spec(parsed, names_are_usual="outputs" not in given), []


def _spec(parsed: Mapping[str, Any], *, names_are_usual: bool) -> OutputSpec:
    fields = attributes(OUTPUT_FIELDS, parsed)
    fields["activation"] = fields["activation"] or "probabilities"
    fields["units"] = fields["units"] or "pixels"
    fields["separate_scores"] = bool(fields["separate_scores"])
    fields["class_axis"] = int(fields["class_axis"])
    if fields["iou_threshold"] is None:
        fields["iou_threshold"] = 1.0
    return OutputSpec(**fields, names_are_usual=names_are_usual)


def _strange_fields(kind: str, merged: Mapping[str, Any]) -> list[Fault]:
    known = (*APPLICABLE[kind], "preset", "kind", "outputs")
    strange = [key for key in merged if key not in known]
    rule = f"does not apply to output kind {kind}"
    faults = [Fault(key, merged[key], rule, "leave it out") for key in strange]
    strides = merged.get("strides", ()) if kind == "grid" else ()
    roles = {*ROLES[kind], *(f"{role}{stride}" for role in ROLES[kind] for stride in strides)}
    for role in merged.get("outputs") or ():
        if role not in roles:
            listed = ", ".join(ROLES[kind])
            rule = (
                f"kind {kind} has the outputs {listed}"
                if listed
                else f"kind {kind} finds them by their shapes"
            )
            faults.append(Fault(f"outputs.{role}", merged["outputs"][role], rule))
    return faults


def _missing_fields(kind: str, merged: Mapping[str, Any]) -> list[Fault]:
    examples = {field.key: field.example for field in OUTPUT_FIELDS}
    return [
        Fault(key, None, f"is required for output kind {kind}", examples[key])
        for key in _REQUIRED.get(kind, ())
        if merged.get(key) is None
    ]
