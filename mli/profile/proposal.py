"""The profile that is proposed for a model: from its graph, and from what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SCALE = 1 / 255


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


def profile_values(
    described: Mapping[str, Any], options: Preprocessing, stem: str, *, probabilities: bool
) -> dict[str, Any]:
    """Return a profile for the model that the worker ``described``, without its labels.

    The scale is 1/255 unless the options say otherwise, or mean and std are those of pixels from 0
    to 255. Pixels of float32 models are normalised as for ImageNet unless the options say
    otherwise; those of uint8 models are not changed.
    """
    spec, detector = described["input"], described["kind"] == "ssd"
    nchw = spec["layout"] == "NCHW"
    channels = spec["shape"][1] if nchw else spec["shape"][3]
    plain = spec["dtype"] == "uint8" or options.given()
    usual = (1.0, (0.0,), (1.0,)) if plain else (SCALE, IMAGENET_MEAN, IMAGENET_STD)
    if channels == 1 and not plain:
        usual = (SCALE, (0.0,), (1.0,))
    scale, mean, std = usual
    if spec["dtype"] != "uint8" and not options.in_pixels():
        scale = SCALE
    resize = options.resize or ("stretch" if detector else "center-crop")
    values: dict[str, Any] = {
        **spec,
        "colorOrder": options.color_order or ("GRAY" if channels == 1 else "RGB"),
        "resize": resize,
        "resizeShorterSide": options.resize_shorter_side,
        "interpolation": options.interpolation or "linear",
        "scale": scale if options.scale is None else options.scale,
        "mean": list(options.mean or mean),
        "std": list(options.std or std),
    }
    if values["resizeShorterSide"] is None:
        del values["resizeShorterSide"]
    output = {"kind": "gluoncv-ssd"}
    if not detector:
        activation = "probabilities" if probabilities else "logits"
        output = {"kind": "classification", "activation": activation}
    threshold = 0.5 if detector else 0.2
    return {
        "name": options.name or _name(stem),
        "input": values,
        "output": output,
        "confidenceThreshold": threshold if options.threshold is None else options.threshold,
        "topK": options.top_k or (10 if detector else 5),
    }


def _name(stem: str) -> str:
    kept = "".join(c if c.isalnum() or c in "_.:/-" else "-" for c in stem)
    return kept[:128] or "model"
