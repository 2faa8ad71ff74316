"""What an exporter wrote into an ``.onnx`` about its model: task, size, classes, form of outputs.

Ultralytics does so, as texts of Python literals: https://docs.ultralytics.com/modes/export/
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import MliError

_MOST_CHARACTERS = 1_000_000
_FAMILIES = ("yolov8", "yolov10", "yolo11", "yolo12", "yolo26")
"""Presets of the form that Ultralytics exports, by the model's name in the description."""
_THRESHOLD, _DETECTIONS = 0.25, 20
_SHARE, _CLASSES = 0.01, 20
"""Smallest share of an image, and most classes, of a map of classes."""
_TASKS = ("detect", "segment", "semantic", "pose", "obb", "classify")
_AUTHOR = "Ultralytics"
_NO_CLASS = "background"
"""Class 0 of a map that tells one class from everything else, which the exporter does not name."""
_MASKS = 32
"""Coefficients of the masks that a segmenting model returns for each object."""


@dataclass(frozen=True)
class ExportMetadata:
    """The facts of an export; None where it does not say.

    ``size`` is the height and width of the input, ``keypoints`` the number of points and the values
    of each.
    """

    task: str
    labels: tuple[str, ...]
    size: tuple[int, int] | None = None
    keypoints: tuple[int, int] | None = None
    model: str = ""

    @property
    def is_rtdetr(self) -> bool:
        """Whether it is a set predictor, which takes a stretched image and suppresses nothing."""
        return "rtdetr" in self.model

    def input_fields(self) -> dict[str, Any]:
        """Return how the model takes an image, as fields of a profile's ``input``."""
        rule: dict[str, Any] = {"resize": "letterbox"}
        if self.task == "classify":
            rule = {"resize": "center-crop"}
        elif self.is_rtdetr:
            rule = {"resize": "stretch"}
        return {**rule, "colorOrder": "RGB", "scale": 1 / 255, "mean": [0.0], "std": [1.0]}

    def general_fields(self) -> dict[str, Any]:
        """Return the threshold and the number of results that the project itself uses."""
        if self.task == "classify":
            return {}
        if self.task == "semantic":
            return {"confidenceThreshold": _SHARE, "topK": _CLASSES}
        return {"confidenceThreshold": _THRESHOLD, "topK": _DETECTIONS}

    def output_fields(self, shapes: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return the profile's ``output`` for outputs of these shapes.

        Whether a detector ends in candidates or in final rows depends on options of the export, and
        the number of classes tells the two apart.

        Raises:
            MliError: if the outputs are not of a form that Ultralytics exports, or the task is one
                that no profile describes.
        """
        if self.task not in _TASKS:
            raise MliError(
                f"the model's own description says task {self.task}, which no profile describes: "
                f"those of {', '.join(_TASKS)} can run"
            )
        if self.task == "classify":
            return {"kind": "classification", "activation": "probabilities"}
        if self.task == "semantic":
            return {"kind": "segmentation", "activation": "logits"}
        more = self._values_of_an_object()
        dense, rows = 4 + len(self.labels) + more, 6 + more
        for shape in shapes:
            if len(shape) != 3:
                continue
            if shape[1] == dense and shape[2] != rows:
                return self._dense()
            if shape[2] == rows:
                return self._rows()
            if self.is_rtdetr and shape[2] == dense:
                return {
                    "kind": "dense", "activation": "probabilities", "boxOrder": "cxcywh",
                    "units": "fractions", "anchorAxis": 1, "iouThreshold": 1,
                }  # fmt: skip
        found = ", ".join(str(list(shape)) for shape in shapes)
        raise MliError(
            f"the model's own description says task {self.task} of {len(self.labels)} classes, so "
            f"one output should be [1,{dense},N] or [1,N,{rows}]; it has {found}: describe them "
            "with --preset or --profile"
        )

    def _values_of_an_object(self) -> int:
        if self.task == "pose":
            return math.prod(self.keypoints or (17, 3))
        return {"segment": _MASKS, "obb": 1}.get(self.task, 0)

    def _dense(self) -> dict[str, Any]:
        if self.task == "pose":
            return {"preset": "yolo-pose", "keypoints": list(self.keypoints or (17, 3))}
        if self.task in ("segment", "obb"):
            return {"preset": {"segment": "yolo-seg", "obb": "yolo-obb"}[self.task]}
        family = re.match(r"yolov?\d+", self.model)
        known = family is not None and family.group() in _FAMILIES
        return {"preset": family.group() if family and known else "yolov8"}

    def _rows(self) -> dict[str, Any]:
        if self.task == "pose":
            points = list(self.keypoints or (17, 3))
            return {"preset": "yolo-pose-end2end", "keypoints": points}
        if self.task == "segment":
            return {"preset": "yolo-seg-end2end"}
        if self.task == "obb":
            columns = ["box", "score", "class", "angle"]
            return {
                "kind": "rows", "columns": columns, "boxOrder": "cxcywh", "units": "pixels",
            }  # fmt: skip
        return {"preset": "rtdetr-ultralytics" if self.is_rtdetr else "yolo-end2end"}


def metadata_of(properties: Mapping[str, str]) -> ExportMetadata | None:
    """Return what the properties of an ONNX model say, or None if no known exporter wrote them."""
    task, names = properties.get("task", ""), _literal(properties.get("names"))
    is_known = task in _TASKS or (task and properties.get("author") == _AUTHOR)
    if not is_known or not names:
        return None
    labels = _labels(names)
    if labels is None:
        return None
    if task == "semantic" and len(labels) == 1:
        labels = (_NO_CLASS, *labels)
    found = re.search(r"Ultralytics (\S+) model", properties.get("description", ""))
    return ExportMetadata(
        task=task,
        labels=labels,
        size=_pair(_literal(properties.get("imgsz"))),
        keypoints=_pair(_literal(properties.get("kpt_shape"))),
        model=found.group(1).lower() if found else "",
    )


def _literal(text: str | None) -> Any:
    if text is None or len(text) > _MOST_CHARACTERS:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _labels(names: Any) -> tuple[str, ...] | None:
    """Return the names of classes 0 to n − 1 of a mapping or list; None if it is neither."""
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            return None
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, (list, tuple)):
        return None
    labels = tuple(" ".join(str(name).split()) for name in names)
    return labels if all(labels) else None


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int) and value > 0:
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2:
        first, second = value
        if all(isinstance(one, int) and one > 0 for one in (first, second)):
            return first, second
    return None
