"""The options of ``compile``, in groups for those of its compilers that take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from inference.model.profiles.presets import PRESETS
from inference.model.profiles.profile import COLOR_ORDERS, INTERPOLATIONS, RESIZE_RULES

from ..cli.options import DRY_RUN_HELP, LABELS_HELP, PRESET_HELP
from .tvm.suppression import IOU_THRESHOLD, SCORE_THRESHOLD

LOCAL, TVM, ORT, NEO = "With onnxruntime or tvm", "With tvm", "With onnxruntime", "With neo"
GROUPS: dict[str, list[str]] = {LOCAL: [], TVM: [], ORT: [], NEO: ["region", "aws_profile"]}
TAKEN = {"onnxruntime": (LOCAL, ORT), "tvm": (LOCAL, TVM), "neo": (NEO,)}
"""The groups of options that each compiler takes."""

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Read one number, or three with commas between them."""
    if value is None:
        return None
    try:
        numbers = tuple(float(part) for part in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise click.BadParameter("must be one number, or three as 0.485,0.456,0.406")
    return numbers


def _option(group: str, *names: str, **settings: Any) -> Decorator:
    created = click.option(*names, **settings)
    long = names[-1].lstrip("-").replace("-", "_")
    GROUPS[group].append(long)
    return created


class GroupedCommand(click.Command):
    """Shows the options in their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of options for all compilers, then one for each group."""
        lists: dict[str, list[tuple[str, str]]] = {"Options": [], **{one: [] for one in GROUPS}}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                named = [title for title, names in GROUPS.items() if parameter.name in names]
                lists[named[0] if named else "Options"].append(record)
        for title, records in lists.items():
            with formatter.section(title):
                formatter.write_dl(records)


def local_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the compilers that run on this machine."""
    # Their order is that of the help: decorators are applied from the last to the first.
    number = {"callback": _numbers, "metavar": "N[,N,N]"}
    fraction = click.FloatRange(0, 1)
    options = [
        _option(LOCAL, "--kind", default="auto", show_default=True,
                type=click.Choice(["auto", "classification", "ssd"]),
                help="Kind of model; auto: recognised by its outputs."),
        _option(LOCAL, "--softmax", is_flag=True, help="Apply a softmax to the scores."),
        _option(LOCAL, "--background", is_flag=True,
                help="Class 0 of the detector is the background."),
        _option(LOCAL, "--box-units", default="auto", show_default=True,
                type=click.Choice(["auto", "pixels", "fractions"]),
                help="Unit of the boxes; auto: recognised by their values."),
        _option(LOCAL, "--box-order", default="auto", show_default=True,
                type=click.Choice(["auto", "xyxy", "yxyx", "cxcywh"]),
                help="Order of a box's numbers; auto: that of NonMaxSuppression, else xyxy."),
        _option(LOCAL, "--scores", metavar="TENSOR",
                help="Tensor of the scores, if it is not an output."),
        _option(LOCAL, "--boxes", metavar="TENSOR",
                help="Tensor of the boxes, if it is not an output."),
        _option(LOCAL, "--iou-threshold", type=fraction,
                help="Overlap in a class above which suppression drops the lower score; default: "
                f"that of the model's NonMaxSuppression, or preset, else {IOU_THRESHOLD}."),
        _option(LOCAL, "--preset", type=click.Choice(sorted(PRESETS)), metavar="NAME",
                help=PRESET_HELP),
        _option(LOCAL, "--profile", metavar="FILE|NAME",
                help="Profile of the model, instead of --preset and of --name to --top-k."),
        _option(LOCAL, "--name", metavar="NAME", help="Name of the model; default: the file's."),
        _option(LOCAL, "--scale", type=float, metavar="N",
                help="In value = (pixel * scale - mean) / std; default: 1/255, "
                "or 1 if mean or std is above 2."),
        _option(LOCAL, "--mean", help="Mean of all channels, or of red, green and blue.", **number),
        _option(LOCAL, "--std", help="Standard deviation of the same channels.", **number),
        _option(LOCAL, "--color-order", type=click.Choice(COLOR_ORDERS),
                help="Order of the channels; default: RGB."),
        _option(LOCAL, "--resize", type=click.Choice(RESIZE_RULES),
                help="How an image is fitted to the input; default: center-crop for classifiers, "
                "stretch for detectors."),
        _option(LOCAL, "--resize-shorter-side", type=click.IntRange(min=1), metavar="PIXELS",
                help="Length of the shorter side before a center-crop."),
        _option(LOCAL, "--interpolation", type=click.Choice(INTERPOLATIONS),
                help="Interpolation of the resize; default: linear."),
        _option(LOCAL, "--threshold", type=fraction, help="Lowest confidence to publish."),
        _option(LOCAL, "--top-k", type=click.IntRange(1, 100),
                help="Maximum number of predictions to publish per frame."),
        _option(LOCAL, "--labels", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
                help=LABELS_HELP),
        _option(LOCAL, "--image", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
                help="Image to verify with and to predict; default: sample photographs."),
        _option(TVM, "--target", default="x86-64", show_default=True,
                type=click.Choice(["x86-64", "x86-64-avx512", "aarch64"]),
                help="Processor of the device; x86-64 needs AVX2."),
        _option(TVM, "--score-threshold", type=fraction,
                help="Score below which suppression drops a detection inside the model; default: "
                f"that of the model's NonMaxSuppression, else {SCORE_THRESHOLD}."),
        _option(ORT, "--quantize", type=click.Choice(["int8"]), metavar="int8",
                help="Calculate with 8-bit integers; needs --calibrate."),
        _option(ORT, "--calibrate", type=click.Path(), metavar="FOLDER",
                help="50 to 500 photographs like those that the core will see."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def neo_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of SageMaker Neo."""
    options = [
        _option(NEO, "--role", metavar="ARN", help="IAM role that SageMaker assumes for the job."),
        _option(NEO, "--framework", metavar="NAME",
                help="Framework, such as mxnet, onnx, pytorch, tflite."),
        _option(NEO, "--framework-version", metavar="VERSION",
                help="Its version, for PyTorch and TensorFlow."),
        _option(NEO, "--target-device", metavar="NAME",
                help="Device to compile for, such as jetson_xavier."),
        _option(NEO, "--os", metavar="NAME", help="Instead of a device: LINUX or ANDROID."),
        _option(NEO, "--arch", metavar="NAME", help="With --os: X86_64, X86, ARM64, ARM_EABIHF …"),
        _option(NEO, "--accelerator", metavar="NAME",
                help="With --os: NVIDIA, MALI, INTEL_GRAPHICS."),
        _option(NEO, "--compiler-options", metavar="JSON", help="Options of Neo's compiler."),
        _option(NEO, "--upload-to", metavar="S3_URI", help="Prefix for a local model; default: "
                "models/ below --output."),
        _option(NEO, "--job-name", metavar="NAME",
                help="Name of the job; default: derived from the request."),
        _option(NEO, "--max-minutes", type=click.IntRange(1, 7200), default=30, show_default=True,
                metavar="MINUTES", help="Time after which SageMaker stops the job."),
        _option(NEO, "--wait/--no-wait", default=True, show_default=True,
                help="Wait for the job to end."),
        _option(NEO, "--dry-run", is_flag=True, help=DRY_RUN_HELP),
    ]  # fmt: skip
    GROUPS[NEO].append("wait")
    for option in reversed(options):
        command = option(command)
    return command
