"""The profile that is proposed for a model: from its graph, and from what the user says."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inference.model.profiles.presets import PRESETS
from inference.model.profiles.profile import builtin_profiles, profile_path

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SCALE = 1 / 255

_OWN = ("name", "shape", "layout", "dtype")
"""Fields of an input that a model itself tells."""
_SIBLINGS = {
    "ppyoloe-raw": "ppyoloe",
    "segformer": "torchvision-segmentation",
    "torchvision-retinanet-raw": "torchvision-retinanet",
    "torchvision-ssd-raw": "torchvision-ssd",
    "yolo-nas-flat": "yolo-nas",
    "yolo-nas-raw": "yolo-nas",
    "yolo-obb": "yolo11",
    "yolo-pose-end2end": "yolo-pose",
    "yolo-seg-end2end": "yolo-seg",
    "yolov7-end2end": "yolov7",
    "yolov7-raw": "yolov7",
    "yolox-decoded": "yolox",
}
"""Presets that have no built-in profile, and those whose models take the same images."""
_OF_WHOLE_IMAGES = ("classification", "segmentation")


@dataclass(frozen=True)
class Preprocessing:
    """What the user says about the input; None where nothing is said."""

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None
    color_order: str | None = None
    resize: str | None = None
    resize_shorter_side: int | None = None
    interpolation: str | None = None
    threshold: float | None = None
    top_k: int | None = None
    name: str | None = None

    def given(self) -> bool:
        """Return whether the user says how pixels become numbers."""
        return any(v is not None for v in (self.mean, self.std, self.scale))

    def in_pixels(self) -> bool:
        """Return whether mean and std are of pixels from 0 to 255, such as 127.5.

        Those of pixels from 0 to 1, such as 0 and 1, or ImageNet's, are never above 2.
        """
        return max((*(self.mean or ()), *(self.std or ())), default=0.0) > 2


@dataclass(frozen=True)
class Usual:
    """What is usual for a family of models, as fields of a profile: its ``input``, and the rest."""

    input: Mapping[str, Any] = field(default_factory=dict)
    general: Mapping[str, Any] = field(default_factory=dict)


def usual_of_preset(preset: str) -> Usual:
    """Return what the built-in profile of a preset or its family says; nothing if there is none."""
    values = _built_in(preset)
    if values is None:
        return Usual()
    given = {key: value for key, value in values["input"].items() if key not in _OWN}
    return Usual(given, {key: values[key] for key in ("confidenceThreshold", "topK")})


def usual_shape(preset: str) -> tuple[int, ...] | None:
    """Return the input shape of a family's usual export, if there is a built-in profile of it."""
    values = _built_in(preset)
    return None if values is None else tuple(values["input"]["shape"])


@functools.cache
def _built_in(preset: str) -> Mapping[str, Any] | None:
    preset = _SIBLINGS.get(preset, preset)
    for name in builtin_profiles():
        values: dict[str, Any] = json.loads(profile_path(name).read_text(encoding="utf-8"))
        if preset in (values["output"].get("preset"), values["output"].get("kind")):
            return values
    return None


def kind_of(output: Mapping[str, Any]) -> Any:
    """Return the kind of a profile's ``output``, which its preset may say."""
    return output.get("kind") or PRESETS.get(str(output.get("preset")), {}).get("kind")


def profile_values(
    described: Mapping[str, Any],
    options: Preprocessing,
    stem: str,
    *,
    output: Mapping[str, Any],
    usual: Usual = Usual(),
) -> dict[str, Any]:
    """Return a profile for the model that was ``described``, without its labels.

    The scale is 1/255 unless the options say otherwise, or mean and std are those of pixels from 0
    to 255. Pixels of float32 models are normalised as for ImageNet unless the options or what is
    ``usual`` say otherwise; those of uint8 models are not changed.
    """
    spec, detector = described["input"], kind_of(output) not in _OF_WHOLE_IMAGES
    channels = spec["shape"][1 if spec["layout"] == "NCHW" else 3]
    known = usual.input
    values: dict[str, Any] = {
        **spec,
        "colorOrder": options.color_order or _color_order(known, channels),
        "resize": options.resize or known.get("resize") or _resize(detector),
        "resizeShorterSide": options.resize_shorter_side,
        "interpolation": options.interpolation or known.get("interpolation", "linear"),
        **_pixel_rule(spec, options, known, channels),
    }
    if values["resize"] == "letterbox":
        values.update({k: known[k] for k in ("letterboxPosition", "padColor") if k in known})
    if values["resizeShorterSide"] is None:
        del values["resizeShorterSide"]
    threshold = usual.general.get("confidenceThreshold", 0.5 if detector else 0.2)
    most = usual.general.get("topK", 10 if detector else 5)
    return {
        "name": options.name or profile_name(stem),
        "input": values,
        "output": dict(output),
        "confidenceThreshold": threshold if options.threshold is None else options.threshold,
        "topK": options.top_k or most,
    }


def _color_order(known: Mapping[str, Any], channels: int) -> Any:
    return "GRAY" if channels == 1 else known.get("colorOrder", "RGB")


def _resize(detector: bool) -> str:
    return "stretch" if detector else "center-crop"


def _pixel_rule(
    spec: Mapping[str, Any], options: Preprocessing, known: Mapping[str, Any], channels: int
) -> dict[str, Any]:
    """Return scale, mean and std: of the options, else what is known, else as for ImageNet."""
    if "scale" in known and spec["dtype"] != "uint8" and not options.given():
        return {key: known[key] for key in ("scale", "mean", "std") if key in known}
    plain = spec["dtype"] == "uint8" or options.given()
    usual = (1.0, (0.0,), (1.0,)) if plain else (SCALE, IMAGENET_MEAN, IMAGENET_STD)
    if channels == 1 and not plain:
        usual = (SCALE, (0.0,), (1.0,))
    scale, mean, std = usual
    if spec["dtype"] != "uint8" and not options.in_pixels():
        scale = SCALE
    return {
        "scale": scale if options.scale is None else options.scale,
        "mean": list(options.mean or mean),
        "std": list(options.std or std),
    }


def profile_name(stem: str) -> str:
    """Return the name of a profile for a model whose file has the name ``stem``."""
    kept = "".join(c if c.isalnum() or c in "_.:/-" else "-" for c in stem)
    return kept[:128] or "model"
