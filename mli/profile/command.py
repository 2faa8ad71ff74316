"""``mli profile``: what an artifact holds, its profile, and what it predicts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from inference.errors import ModelError
from inference.model.profiles.labels import read_labels
from inference.model.profiles.presets import PRESETS
from inference.model.profiles.profile import builtin_profiles, labels_path, load_profile
from inference.vision.images import decode

from ..cli.options import PRESET_HELP, RenamedOption, image_shape, labels_option
from ..cli.output import Output, examples, reporting
from ..errors import MliError
from .asked import Asked
from .choosing import Chooser, Proposal
from .engine import Engine
from .inspection import Inspection
from .opening import as_given, open_model
from .proposal import kind_of
from .trial import try_profile
from .writing import labels_name, labels_of, profile_text, write_profile

SAMPLE = Path(__file__).parents[2] / "edge_functions/dlr_inference/sample_images/coffee.jpg"
_EXAMPLES = examples(
    "mli profile yolo11n.onnx --write yolo.json",
    "mli profile fruit.onnx --labels fruit.txt --image apple.jpg --write fruit.json",
    "mli profile fruit.onnx --preset yolov8 --labels fruit.txt --write fruit.json",
    "mli profile model.tar.gz --labels fruit.txt --image apple.jpg",
    "mli profile build/fruit --json",
)


@click.command(epilog=_EXAMPLES)
@click.argument("model", type=click.Path(exists=True))
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Image to predict; default: a sample photograph.",
)
@labels_option
@click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    metavar="NAME",
    help=PRESET_HELP,
)
@click.option(
    "--input-shape", metavar="SHAPE", help="Such as 1,3,640,640, if the model leaves it open."
)
@click.option(
    "--write",
    "--output",
    "target",
    cls=RenamedOption,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="File to write the profile to, with its labels beside it; default: stdout.",
)
@reporting
def profile(
    output: Output,
    model: str,
    image: str | None,
    labels: str | None,
    preset: str | None,
    input_shape: str | None,
    target: str | None,
) -> None:
    """Inspect MODEL, an artifact or an .onnx file, and propose its profile.

    The model is run on an image, at first in a process of its own. A file that Ultralytics exported
    describes itself. Otherwise the outputs show the family, or several, from which --preset
    chooses. What no file says, such as the normalisation of pixels, is proposed as usual for the
    family, or else for ImageNet: check it against your training.
    """
    photograph = Path(image) if image else SAMPLE
    asked = Asked(
        path=Path(model),
        pixels=decode(photograph.read_bytes(), f"--image {photograph}"),
        photograph=photograph.name,
        labels_file=labels,
        labels=labels_of(labels) if labels else None,
        preset=preset,
        shape=image_shape(input_shape),
    )
    if target and Path(target).suffix != ".json":
        raise click.UsageError(f"--write {target}: the name of a profile ends in .json")
    with tempfile.TemporaryDirectory(prefix="profile-") as work:
        found = open_model(asked.path, Path(work))
        engine = Engine(found)
        _describe(output, found, asked)
        try:
            proposal = _proposal(output, found, asked, engine)
        except (ModelError, MliError) as error:
            raise type(error)(as_given(str(error), asked.path, Path(work))) from None
    _report(output, found, asked, engine, proposal, target)


def _describe(output: Output, found: Inspection, asked: Asked) -> None:
    size = sum(found.files.values()) / 1e6
    listed = ", ".join(found.files) if asked.path.is_dir() else asked.path.name
    checked = "compared with their digests" if found.has_digests else "no digests recorded"
    output.say(f"{asked.path}: {listed} ({size:.1f} MB, {checked})")
    device = found.meta.get("Requirements", {}).get("TargetDevice")
    output.say(f"target: {found.machine}{f', {device}' if device else ''}")
    if found.limit:
        output.say(f"it {found.limit}")
    if found.provenance:
        compiler, source = found.provenance["compiler"], found.provenance["source"]
        by = f"TVM {compiler['tvm']}" if "tvm" in compiler else "mli compile --with onnxruntime"
        output.say(f"compiled by {by} from {source['file']}")
    for what, tensors in (("input", found.inputs), ("output", found.outputs)):
        for tensor in tensors:
            output.say(f"{what}: {tensor}")


def _proposal(output: Output, found: Inspection, asked: Asked, engine: Engine) -> Proposal:
    """Return the artifact's own profile, unless there is a preset, or a proposed one."""
    if found.own_profile is not None and asked.preset is None:
        return _own(output, found, found.own_profile, asked, engine)
    proposal = Chooser(output, found, asked, engine).propose()
    _say_what_is_not_known(output, proposal)
    return proposal


def _own(output: Output, found: Inspection, own: Path, asked: Asked, engine: Engine) -> Proposal:
    read = load_profile(own)
    file = labels_path(own)
    if asked.shape not in (None, tuple(read.input.shape)):
        raise MliError(
            f"{asked.path}: its own profile says that its input is "
            f"{','.join(map(str, read.input.shape))}: leave --input-shape out"
        )
    names = asked.labels or (read_labels(file) if file else None)
    output.say(f"it has its own profile: {own.relative_to(found.folder)}")
    values: dict[str, Any] = json.loads(own.read_text(encoding="utf-8-sig"))
    if not found.runs_here:
        return Proposal(values, names)
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        read = write_profile(Path(folder) / "profile.json", values, names)
    trial = try_profile(read, engine, found.output_names, asked.pixels)
    if trial.refuted:
        raise MliError(f"{asked.path}: its own profile is not right: {trial.note}")
    return Proposal(values, names, trial)


def _say_what_is_not_known(output: Output, proposal: Proposal) -> None:
    values, one = proposal.values, proposal.values["input"]
    same = [
        name for name in builtin_profiles()
        if list(load_profile(name).input.shape) == one["shape"]
        and load_profile(name).output.kind == kind_of(values["output"])
    ]  # fmt: skip
    if same:
        output.say(f"built-in profiles with this input and output kind: {', '.join(same)}")
    output.say(
        f"{proposal.input_is}: {one['colorOrder']}, {one['resize']}, scale {one['scale']:.6g}, "
        f"mean {one.get('mean', [0.0])}, std {one.get('std', [1.0])}, "
        f"threshold {values['confidenceThreshold']}"
    )


def _report(
    output: Output, found: Inspection, asked: Asked, engine: Engine, proposal: Proposal,
    target: str | None,
) -> None:  # fmt: skip
    trial = proposal.trial
    if trial is None:
        output.say(f"not run: it is compiled for {found.machine}")
    else:
        output.say("ran with " + ", ".join(f"{k} {v}" for k, v in engine.versions.items()))
        output.say(f"{asked.photograph}: {trial}")
    path = Path(target) if target else Path("profile.json")
    given = asked.labels_file if target else None
    text = profile_text(proposal.values, labels_name(path, proposal.labels, given))
    shown = text
    if target:
        name = write_profile(path, proposal.values, proposal.labels, given).name
        shown = f"{target}: the profile of {name}"
    result = {
        **found.facts(),
        "versions": dict(engine.versions) or None,
        "profile": json.loads(text),
        "predictions": trial.values() if trial else None,
        "note": (trial.note or None) if trial else None,
    }
    output.result(result, shown)
