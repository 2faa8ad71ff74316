"""A model described by data: what goes in, what comes out, and what its classes are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping

from ...schema import (
    ConfigurationError,
    Fault,
    Field,
    choice,
    integer,
    number,
    parse_fields,
    strict_json,
    text,
)
from .labels import read_labels
from .outputs import OutputSpec, parse_output

PROFILES_FOLDER = Path(__file__).parents[2] / "profiles"
"""The built-in profiles: one JSON file each, with their labels beside them."""

LAYOUTS = ("NCHW", "NHWC")
COLOR_ORDERS = ("RGB", "BGR", "GRAY")
RESIZE_RULES = ("stretch", "letterbox", "center-crop")
INTERPOLATIONS = ("linear", "area", "cubic", "nearest")
LETTERBOX_POSITIONS = ("center", "top-left")
DECODE_RULES = ("reduced", "full")

_MAX_SIDE = 8192


@dataclass(frozen=True)
class InputSpec:
    """The tensor that a model takes: value = (pixel · scale − mean) / std, per channel.

    ``decode``: whether JPEG images of twice the input's size and more are decoded at a fraction.
    """

    name: str
    shape: tuple[int, int, int, int]
    layout: str
    dtype: str
    color_order: str
    resize: str
    resize_shorter_side: int | None
    pad_color: tuple[int, ...]
    interpolation: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    letterbox_position: str = "center"
    decode: str = "reduced"

    @property
    def height(self) -> int:
        """Rows of the input image in pixels."""
        return self.shape[2] if self.layout == "NCHW" else self.shape[1]

    @property
    def width(self) -> int:
        """Columns of the input image in pixels."""
        return self.shape[3] if self.layout == "NCHW" else self.shape[2]

    @property
    def channels(self) -> int:
        """Colour channels: 1 for GRAY, otherwise 3."""
        return self.shape[1] if self.layout == "NCHW" else self.shape[3]


@dataclass(frozen=True)
class ModelProfile:
    """What an artifact does not say about its model. ``labels`` None: classes have no names."""

    name: str
    input: InputSpec
    output: OutputSpec
    labels: tuple[str, ...] | None
    confidence_threshold: float
    top_k: int
    description: str = ""


def _shape(value: object) -> tuple[int, int, int, int]:
    if isinstance(value, list) and len(value) == 4:
        side = integer(1, _MAX_SIDE)
        batch, first, second, third = (side(extent) for extent in value)
        if batch == 1:
            return batch, first, second, third
    raise ValueError("must be a list of four whole numbers, the first (the batch) 1")


def _numbers(low: float, high: float) -> Callable[[object], tuple[float, ...]]:
    def parse(value: object) -> tuple[float, ...]:
        if not isinstance(value, list) or len(value) not in (1, 3):
            raise ValueError("must be a list of one number a channel (1 or 3)")
        one = number(low, high)
        return tuple(one(item) for item in value)

    return parse


_NAME = text(r"[\w.:/-]{1,128}", "must be a name of 1 to 128 letters, digits or any of _ . : / -")
_TENSOR = text(
    r"[^\x00-\x1f\x7f]{1,512}", "must be a name of 1 to 512 characters without control characters"
)
"""The name of a model's input: exporters take any."""
_TEXT = text(r"[^\x00-\x1f]{0,500}", "must be a text of at most 500 characters")

_PROFILE_FIELDS: tuple[Field[Any], ...] = (
    Field("name", _NAME, None, '"my-model"'),
    Field("description", _TEXT, "", '"what the model sees"'),
    Field("confidenceThreshold", number(0, 1), None, "0.5"),
    Field("topK", integer(1, 100), None, "5"),
)
_INPUT_FIELDS: tuple[Field[Any], ...] = (
    Field("name", _TENSOR, None, '"data"'),
    Field("shape", _shape, None, "[1, 3, 224, 224]"),
    Field("layout", choice(*LAYOUTS), None, '"NCHW"'),
    Field("dtype", choice("float32", "uint8"), None, '"float32"'),
    Field("colorOrder", choice(*COLOR_ORDERS), None, '"RGB"'),
    Field("resize", choice(*RESIZE_RULES), None, '"stretch"'),
    Field("resizeShorterSide", integer(1, _MAX_SIDE), None, "256"),
    Field("letterboxPosition", choice(*LETTERBOX_POSITIONS), None, '"top-left"'),
    Field("padColor", _numbers(0, 255), (114.0, 114.0, 114.0), "[114, 114, 114]"),
    Field("interpolation", choice(*INTERPOLATIONS), "linear", '"linear"'),
    Field("scale", number(-1e6, 1e6), 1.0, "0.00392156862745098"),
    Field("mean", _numbers(-1e6, 1e6), (0.0,), "[0.485, 0.456, 0.406]"),
    Field("std", _numbers(1e-9, 1e9), (1.0,), "[0.229, 0.224, 0.225]"),
    Field("decode", choice(*DECODE_RULES), "reduced", '"full"'),
)
_REQUIRED = ("name", "confidenceThreshold", "topK")
_REQUIRED_OF_INPUT = ("name", "shape", "layout", "dtype", "colorOrder", "resize")


def builtin_profiles() -> tuple[str, ...]:
    """Return the names of the built-in profiles, sorted."""
    return tuple(sorted(path.stem for path in PROFILES_FOLDER.glob("*.json")))


def profile_path(name_or_path: str | Path) -> Path:
    """Return the file of the profile with this built-in name, or at this path.

    Raises:
        ConfigurationError: if it is neither.
    """
    if str(name_or_path) in builtin_profiles():
        return PROFILES_FOLDER / f"{name_or_path}.json"
    path = Path(name_or_path)
    if path.suffix == ".json" and path.is_file():
        return path
    if path.suffix == ".json":
        raise ConfigurationError([Fault("modelProfile", str(path), "there is no such file")])
    rule = "must be one of " + ", ".join(builtin_profiles()) + ", or the path of a .json file"
    raise ConfigurationError([Fault("modelProfile", str(name_or_path), rule, "gluoncv-ssd-voc")])


def labels_path(name_or_path: str | Path) -> Path | None:
    """Return the labels file that a profile names, or None if its classes have no names."""
    path = profile_path(name_or_path)
    labels = _read_json(path).get("labels")
    return path.parent / labels if isinstance(labels, str) else None


def load_profile(name_or_path: str | Path) -> ModelProfile:
    """Load a profile by built-in name or by path, with the labels file beside it.

    Raises:
        ConfigurationError: naming each faulty key by its dotted path, and the file.
    """
    path = profile_path(name_or_path)
    profile, faults = _parse(_read_json(path), path)
    if faults or profile is None:
        raise ConfigurationError(
            Fault(f"{path.name}: {fault.key}", fault.value, fault.rule, fault.example)
            for fault in faults
        )
    return profile


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        values = strict_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            [Fault("modelProfile", str(path), f"is not readable as JSON ({error})")]
        ) from None
    if not isinstance(values, dict):
        raise ConfigurationError([Fault("modelProfile", str(path), "must hold a JSON object")])
    return values


def _parse(values: Mapping[str, Any], path: Path) -> tuple[ModelProfile | None, list[Fault]]:
    top = {key: values[key] for key in values if key not in ("input", "output", "labels")}
    general, faults = parse_fields(_PROFILE_FIELDS, top, _REQUIRED)
    given, input_faults = _input(values.get("input"))
    output, output_faults = _output(values.get("output"))
    labels, label_faults = _labels(values, path)
    faults += input_faults + output_faults + label_faults
    if not faults:
        faults = _inconsistencies(given)
    if faults or output is None:
        return None, faults
    profile = ModelProfile(
        name=general["name"],
        description=general["description"],
        input=_input_spec(given),
        output=output,
        labels=labels,
        confidence_threshold=general["confidenceThreshold"],
        top_k=general["topK"],
    )
    return profile, []


def _input(values: object) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(values, dict):
        return {}, [Fault("input", values, "must be a JSON object")]
    parsed, faults = parse_fields(_INPUT_FIELDS, values, _REQUIRED_OF_INPUT)
    return parsed, [fault.below("input") for fault in faults]


def _output(values: object) -> tuple[OutputSpec | None, list[Fault]]:
    if not isinstance(values, dict):
        return None, [Fault("output", values, "must be a JSON object")]
    spec, faults = parse_output(values)
    return spec, [fault.below("output") for fault in faults]


def _input_spec(given: Mapping[str, Any]) -> InputSpec:
    channels = given["shape"][1 if given["layout"] == "NCHW" else 3]
    return InputSpec(
        name=given["name"],
        shape=given["shape"],
        layout=given["layout"],
        dtype=given["dtype"],
        color_order=given["colorOrder"],
        resize=given["resize"],
        resize_shorter_side=given["resizeShorterSide"],
        letterbox_position=given["letterboxPosition"] or "center",
        pad_color=tuple(int(value) for value in _per_channel(given["padColor"], channels)),
        interpolation=given["interpolation"],
        scale=given["scale"],
        mean=_per_channel(given["mean"], channels),
        std=_per_channel(given["std"], channels),
        decode=given["decode"],
    )


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values if len(values) == channels else values[:1] * channels


def _inconsistencies(given: Mapping[str, Any]) -> list[Fault]:
    faults: list[Fault] = []
    nchw = given["layout"] == "NCHW"
    shape = given["shape"]
    channels = 1 if given["colorOrder"] == "GRAY" else 3
    if shape[1 if nchw else 3] != channels:
        wanted = [1, channels, 224, 224] if nchw else [1, 224, 224, channels]
        rule = f"must have {channels} channel(s) for {given['colorOrder']} in {given['layout']}"
        faults.append(Fault("input.shape", list(shape), rule, str(wanted)))
    shorter, crop = given["resizeShorterSide"], shape[2:4] if nchw else shape[1:3]
    if shorter is not None and given["resize"] != "center-crop":
        rule = "goes with resize center-crop only"
        faults.append(Fault("input.resizeShorterSide", shorter, rule, "leave it out"))
    elif shorter is not None and shorter < max(crop):
        rule = f"must be at least the larger side of the crop, {max(crop)}"
        faults.append(Fault("input.resizeShorterSide", shorter, rule, str(max(crop))))
    if given["letterboxPosition"] is not None and given["resize"] != "letterbox":
        rule = "goes with resize letterbox only"
        faults.append(Fault("input.letterboxPosition", given["letterboxPosition"], rule))
    return faults


def _labels(values: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...] | None, list[Fault]]:
    if "labels" not in values:
        rule = "is required: the name of a file with one label a line, or null"
        return None, [Fault("labels", None, rule, '"labels.txt"')]
    name = values["labels"]
    if name is None:
        return None, []
    if not isinstance(name, str) or not name:
        rule = "must be the name of a file with one label a line, or null"
        return None, [Fault("labels", name, rule, '"labels.txt"')]
    try:
        labels = tuple(read_labels(path.parent / name))
    except (OSError, ValueError) as error:
        return None, [Fault("labels", name, f"cannot be read ({error})", '"labels.txt"')]
    if not labels or not all(labels):
        blank = labels.index("") + 1 if "" in labels else 1
        return None, [Fault("labels", name, f"has no label in line {blank}", "one label a line")]
    return labels, []
