"""Fields of a profile's output that exclude or require each other."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ...schema import Fault

_ANCHORED = ("yolov3", "yolov5", "ssd")
"""Box codes that are relative to anchors with sizes."""
_PEAKS = ("centernet", "centerface")


def contradictions(
    kind: str, parsed: Mapping[str, Any], allowed: Sequence[str] | None
) -> list[Fault]:
    """Return the faults of fields that exclude or require each other; ``allowed`` activations."""
    faults: list[Fault] = []
    activation = parsed["activation"]
    if kind == "classification" and activation not in ("probabilities", "logits"):
        rule = "must say what a classification model returns: probabilities or logits"
        faults.append(Fault("activation", activation, rule, '"logits"'))
    elif allowed and activation is not None and activation not in allowed:
        rule = f"must be one of {', '.join(allowed)} for output kind {kind}"
        faults.append(Fault("activation", activation, rule, f'"{allowed[-1]}"'))
    if parsed["objectness"] == "only" and parsed["background"] != "none":
        faults.append(Fault("background", parsed["background"], "must be none: no class is read"))
    if parsed["separateScores"] and parsed["objectness"] != "none" and kind != "grid":
        rule = "must be none where scores are an output of their own"
        faults.append(Fault("objectness", parsed["objectness"], rule))
    if parsed["objectness"] == "geometric" and kind != "grid":
        rule = "must be none, multiply or only: geometric is of output kind grid"
        faults.append(Fault("objectness", "geometric", rule, '"multiply"'))
    has_column = "keypoints" in parsed["columns"]
    if kind == "rows" and has_column != (parsed["keypoints"] is not None):
        rule = "must say how many points the column keypoints has, and only then"
        faults.append(Fault("keypoints", parsed["keypoints"], rule, "[17, 3]"))
    if kind == "grid":
        faults += _grid_contradictions(parsed)
    return faults


def _grid_contradictions(parsed: Mapping[str, Any]) -> list[Fault]:
    code, anchors, strides = parsed["boxCode"], parsed["anchors"], parsed["strides"]
    faults: list[Fault] = []
    if code not in _ANCHORED and anchors:
        faults.append(Fault("anchors", len(anchors), f"must be left out: boxCode {code} has none"))
    elif code in _ANCHORED and len(anchors) != len(strides):
        rule = f"must have a list of pairs for each of the {len(strides)} strides"
        faults.append(Fault("anchors", len(anchors), rule, "[[[10, 13], [16, 30], [33, 23]]]"))
    if code in _ANCHORED and parsed["anchorsPerCell"] != 1:
        rule = "must be left out where anchors say it"
        faults.append(Fault("anchorsPerCell", parsed["anchorsPerCell"], rule))
    if code in _PEAKS and not parsed["separateScores"]:
        rule = f"must be true: boxCode {code} has an output of sizes and one of offsets"
        faults.append(Fault("separateScores", parsed["separateScores"], rule, "true"))
    if code in _PEAKS and parsed["anchorsPerCell"] != 1:
        rule = f"must be left out: boxCode {code} has one candidate per cell"
        faults.append(Fault("anchorsPerCell", parsed["anchorsPerCell"], rule))
    if code == "centernet" and parsed["keypoints"] is not None:
        rule = "must be left out: boxCode centernet has none"
        faults.append(Fault("keypoints", list(parsed["keypoints"]), rule))
    if parsed["objectness"] == "geometric" and parsed["activation"] == "sigmoid":
        rule = "must be probabilities for objectness geometric"
        faults.append(Fault("activation", "sigmoid", rule, '"probabilities"'))
    return faults
