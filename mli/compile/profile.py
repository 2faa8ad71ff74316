"""The profile of a model that is being compiled: from its graph, the options, or a given file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.model.profile import labels_path, load_profile, profile_path

from ..cli.output import ToolError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SCALE = 1 / 255

_BACKGROUND = ("background", "__background__", "bg")


@dataclass(frozen=True)
class Preprocessing:
    """What the command line says of the input; None where it says nothing."""

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
        """Tell whether the command line says how pixels become numbers."""
        return any(v is not None for v in (self.mean, self.std, self.scale))


def profile_values(
    described: Mapping[str, Any], options: Preprocessing, stem: str, *, probabilities: bool
) -> dict[str, Any]:
    """Return a profile for the model that the worker ``described``, without its labels.

    Pixels of float32 models are normalised as ImageNet's unless the options say otherwise; those
    of uint8 models stay as they are.
    """
    spec, detector = described["input"], described["kind"] == "ssd"
    nchw = spec["layout"] == "NCHW"
    channels = spec["shape"][1] if nchw else spec["shape"][3]
    plain = spec["dtype"] == "uint8" or options.given()
    usual = (1.0, (0.0,), (1.0,)) if plain else (SCALE, IMAGENET_MEAN, IMAGENET_STD)
    if channels == 1 and not plain:
        usual = (SCALE, (0.0,), (1.0,))
    scale, mean, std = usual
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


def given_profile(name_or_path: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the profile at a path, or built in, if they are of this model.

    Raises:
        ConfigurationError: if it is no sound profile.
        ToolError: if it is another model's.
    """
    profile = load_profile(name_or_path)
    spec, found = profile.input, described["input"]
    wanted = {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype}
    for key, value in wanted.items():
        if found[key] != value:
            raise ToolError(
                f"--profile {name_or_path}: says that the input's {key} is {value}, "
                f"the model's is {found[key]}"
            )
    kind = "gluoncv-ssd" if described["kind"] == "ssd" else "classification"
    if profile.output.kind != kind:
        raise ToolError(
            f"--profile {name_or_path}: says output kind {profile.output.kind}, "
            f"the compiled model's is {kind}"
        )
    values: dict[str, Any] = json.loads(profile_path(name_or_path).read_text(encoding="utf-8"))
    return values


def read_labels(
    file: str | None, profile: str | None, classes: int, *, background: bool
) -> list[str] | None:
    """Return the names of the classes, or None; ``classes`` are those without the background.

    Raises:
        ToolError: if there is another number of them.
    """
    path = Path(file) if file else labels_path(profile) if profile else None
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ToolError(f"--labels {path}: is not a text in UTF-8") from None
    labels = [line.strip() for line in lines]
    if background and len(labels) == classes + 1 and labels[0].lower() in _BACKGROUND:
        labels = labels[1:]
    if len(labels) != classes:
        advice = ""
        if len(labels) == classes - 1:
            advice = "; is class 0 the background? Then add --background"
        raise ToolError(
            f"--labels {path}: has {len(labels)} lines, the model {classes} classes{advice}"
        )
    return labels
