"""The presets that read a model's outputs, grouped by what they take the numbers to mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from inference.model.profiles.outputs import OutputSpec, parse_output
from inference.model.profiles.presets import PRESETS
from inference.model.profiles.profile import InputSpec, ModelProfile
from inference.vision.decoders import decoder_for, fitting_presets
from inference.vision.decoders.listed import is_whole
from inference.vision.decoders.segmentation import is_of_numbers

from .inspection import Tensor
from .proposal import Usual, usual_of_preset

_SOFT = ("iouThreshold", "maxDetections", "outputs")
"""Fields that do not change what a number means."""
_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
"""Strides of the heads that YOLO's families export, of usual, large and small objects."""
_ANCHORS = {"yolov5": 3, "yolov7": 3}
"""How many candidates a cell has, in the families that have more than one."""
_MASKS = 32
_EXAMPLES = (
    "yolov8", "yolov5", "yolox", "yolo-end2end", "rtdetr", "torchvision-ssd", "scrfd",
    "torchvision-classification", "segformer",
)  # fmt: skip
"""A preset of each form of outputs, for the message about outputs that none reads."""


@dataclass(frozen=True)
class Fitting:
    """One meaning of the outputs, and the presets that have it; the first stands for them.

    ``classes`` is None where the shapes do not tell the number of classes. ``is_usual`` says that
    the family's own export has such outputs. ``more`` are fields of the output that this model has
    otherwise than the preset.
    """

    presets: tuple[str, ...]
    classes: int | None
    usual: Usual = field(default_factory=Usual)
    is_usual: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> dict[str, Any]:
        """The profile's ``output``."""
        return {**output_of(self.presets[0]), **self.more}

    def __str__(self) -> str:
        first, *others = self.presets
        return f"{first} (the same as {', '.join(others)})" if others else first


def output_of(preset: str) -> dict[str, Any]:
    """Return a profile's ``output`` for a preset; two have a kind of their own, that came first."""
    if preset in ("gluoncv-ssd", "sagemaker-ssd"):
        return {"kind": preset}
    return {"preset": preset}


def spec_of(preset: str) -> OutputSpec:
    """Return what a preset says about outputs."""
    spec, _ = parse_output({"preset": preset})
    assert spec is not None  # every preset is valid
    return spec


@dataclass(frozen=True)
class Returned:
    """The outputs that a model returned for a photograph, their names if known, what its file
    declares of them, and the names of those that a layer returns without an activation, and that a
    softmax returns."""

    arrays: Sequence[Any]
    names: Sequence[str]
    declared: Sequence[Tensor]
    unlimited: frozenset[str] = frozenset()
    exclusive: frozenset[str] = frozenset()

    def fitting(self, profile: ModelProfile) -> list[Fitting]:
        """Return all that the outputs may mean for the profile's input, if it has no labels.

        What contradicts a family's own export is left out, unless all do: strides that its heads
        do not have, missing prototypes of masks, other names than its own where another family's
        fit. Rows that are as many and as long as the image's pixels are always left out: they are
        a map of it, such as one of depths.
        """
        found = [
            _Fit(name, profile, self) for name in fitting_presets(profile, self.arrays, self.names)
        ]
        found = [one for one in found if one.is_usual(profile.input)] or [
            one for one in found if not one.is_of_pixels(profile.input)
        ]
        most = max((one.names_among(self.names) for one in found), default=0)
        found = [one for one in found if one.names_among(self.names) == most]
        groups: dict[str, list[_Fit]] = {}
        for one in found:
            groups.setdefault(one.meaning(), []).append(one)
        return [
            Fitting(
                tuple(one.preset for one in group), group[0].classes, group[0].usual,
                more=group[0].more,
            )
            for group in groups.values()
        ]  # fmt: skip

    def fitting_preset(self, profile: ModelProfile, preset: str) -> Fitting:
        """Return what the outputs mean by one preset; the profile has no labels.

        Raises:
            UnfitOutputsError: if the preset does not read such outputs.
        """
        one = _Fit(preset, profile, self)
        return Fitting((preset,), one.classes, one.usual, one.is_usual(profile.input), one.more)

    def scores(self, classifier: Fitting) -> Any:
        """Return a classifier's scores."""
        return next(one for one in self.arrays if one.size == classifier.classes)

    def is_unlimited(self, output: Any) -> bool:
        """Tell whether a layer returns these numbers: between 0 and 1 they are so by chance."""
        return self.name_of(output) in self.unlimited

    def is_exclusive(self, output: Any) -> bool:
        """Tell whether a softmax returns these numbers, whose sum may be rounded."""
        return self.name_of(output) in self.exclusive

    def name_of(self, output: Any) -> str:
        """Return the name of an output; empty if nobody knows it."""
        [index] = [i for i, one in enumerate(self.arrays) if one is output]
        return self.names[index] if index < len(self.names) else ""


class _Fit:
    """A preset whose decoder reads the outputs."""

    def __init__(self, preset: str, profile: ModelProfile, returned: Returned) -> None:
        decoder = decoder_for(replace(profile, output=spec_of(preset)), returned.names, 0.5)
        self.preset = preset
        self.usual = usual_of_preset(preset)
        self._spec = decoder.spec
        self._bound: Mapping[str, Any] = decoder.bind(returned.arrays)
        self._returned = returned
        self._input = profile.input
        self.more = self._of_map(self._bound["map"]) if "map" in self._bound else {}
        axis = self.more.get("classAxis", decoder.spec.class_axis)
        self.classes = class_count(
            replace(decoder.spec, class_axis=axis), self._bound, decoder.profile.input
        )

    def meaning(self) -> str:
        """Return a text that presets with the same meaning have in common."""
        fields = {key: value for key, value in PRESETS[self.preset].items() if key not in _SOFT}
        return json.dumps([fields, self.usual.input], sort_keys=True)

    def names_among(self, names: Sequence[str]) -> int:
        """Return how many outputs have the names of the family's export, if all of those do."""
        usual = {name for _, name in self._spec.outputs if isinstance(name, str)}
        return len(usual) if usual <= set(names) else 0

    def is_usual(self, spec: InputSpec) -> bool:
        """Tell whether the family's own export has such outputs."""
        kind, output, arrays = self._spec.kind, self._spec, self._returned.arrays
        if kind == "classification":
            return bool(self._bound["scores"].dtype.itemsize < 4) or not is_whole(
                self._bound["scores"]
            )
        if kind == "segmentation":
            return all(one.shape == self._bound["map"].shape for one in arrays)
        if kind == "grid":
            if output.separate_scores:
                return len(self._bound) == len(arrays)
            return not output.anchors or "rows" not in self._bound
        if "rows" not in self._bound:
            return True
        ignored = max(output.extra_values, output.columns.count("ignored"))
        if (ignored == _MASKS) != any(_is_prototypes(one) for one in arrays):
            return False
        if kind == "rows":
            others = [one for one in arrays if not _is_prototypes(one)]
            return len(others) <= len(self._bound) and not self._is_one_row()
        count = self._bound["rows"].shape[-2:][output.anchor_axis - 1]
        per_cell = _ANCHORS.get(self.preset, 1)
        return count in {per_cell * _cells(spec, strides) for strides in _STRIDES}

    def is_of_pixels(self, spec: InputSpec) -> bool:
        """Tell whether the rows are as many and as long as the image has pixels."""
        sides = (spec.height, spec.width)
        return "rows" in self._bound and self._bound["rows"].shape[-2:] == sides

    def _of_map(self, output: Any) -> dict[str, Any]:
        """Return the fields of a map of scores that its shape and values tell.

        Its classes are along the last axis if only the two before it have the shape of the image,
        and scores of one class that are not probabilities are logits. Numbers of classes are
        neither, and refused when they are read.
        """
        if output.ndim != 4 or is_whole(output):
            return {}
        spec, more = self._input, dict[str, Any]()
        high, wide, last = output.shape[1:]
        if high * spec.width == wide * spec.height and wide * spec.width != last * spec.height:
            more["classAxis"] = 3
        may_be = is_of_numbers(output) or bool(output.min() >= 0 and output.max() <= 1)
        if 1 in (high, last) and (self._returned.is_unlimited(output) or not may_be):
            more["activation"] = "logits"
        return more

    def _is_one_row(self) -> bool:
        """Tell whether the model declares [1,K]: scores of a classifier, not one detection."""
        rows = self._bound["rows"]
        declared = dict(zip(map(id, self._returned.arrays), self._returned.declared, strict=False))
        said = declared.get(id(rows))
        return rows.ndim == 2 and said is not None and said.shape[:1] == (1,)


def class_count(spec: OutputSpec, bound: Mapping[str, Any], input_: InputSpec) -> int | None:
    """Return how many classes the shapes of outputs say that there are, without a background.

    ``bound`` has the outputs by role. None means that their shapes do not tell: rows and lists
    have numbers of classes.
    """
    points = math.prod(spec.keypoints) if spec.keypoints else 0
    fixed = 4 + int(spec.objectness != "none")
    if spec.kind in ("dense", "queries"):
        output = bound["scores"] if "scores" in bound else bound["rows"]
        values = int(output.shape[-2:][2 - spec.anchor_axis])
        if "scores" not in bound:
            values -= fixed + points + int(spec.angle) + spec.extra_values
        return values - int(spec.background != "none")
    if spec.kind == "grid":
        role, output = next(
            (role, one) for role, one in bound.items() if role.startswith(("rows", "scores"))
        )
        stride = role.removeprefix("rows").removeprefix("scores")  # of all strides without one
        per_cell = len(spec.anchors[0]) if spec.anchors else spec.anchors_per_cell
        candidates = _cells(input_, [int(stride)] if stride else spec.strides) * per_cell
        values = int(output.size) // candidates - int(spec.background != "none")
        if role.startswith("scores"):
            return values
        box = 4 * spec.bins if spec.box_code == "dfl" else 4
        return values - box - int(spec.objectness != "none") - points
    if spec.kind == "classification":
        return int(bound["scores"].size)
    if spec.kind == "segmentation" and not is_whole(bound["map"]):
        return max(2, int(bound["map"].shape[spec.class_axis]))  # one score tells two apart
    return None


def is_count_of(labels: int, classes: int | None, kind: str) -> bool:
    """Tell whether ``labels`` names fit ``classes`` classes; one score may be of two."""
    binary = kind == "classification" and (classes, labels) == (1, 2)
    return classes is None or classes == labels or binary


def needs_of(preset: str, profile: ModelProfile) -> str:
    """Return in words what outputs a preset reads, for the profile's input and labels."""
    return decoder_for(replace(profile, output=spec_of(preset)), (), 0.5).needs


def needs_of_all(profile: ModelProfile) -> str:
    """Return what presets of every form need, for a message."""
    return "; ".join(f"{name} needs {needs_of(name, profile)}" for name in _EXAMPLES)


def _cells(spec: InputSpec, strides: Sequence[int]) -> int:
    return sum(-(-spec.width // stride) * -(-spec.height // stride) for stride in strides)


def _is_prototypes(output: Any) -> bool:
    return bool(output.ndim == 4 and output.shape[:2] == (1, _MASKS))
