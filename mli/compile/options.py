"""The options of ``compile``, in one group for each of its compilers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from inference.model.profile import COLOR_ORDERS, INTERPOLATIONS, RESIZE_RULES

from .tvm.suppression import IOU_THRESHOLD, SCORE_THRESHOLD

TVM, NEO = "With tvm", "With neo"
GROUPS: dict[str, list[str]] = {TVM: [], NEO: ["region", "aws_profile"]}

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
    made = click.option(*names, **settings)
    long = names[-1].lstrip("-").replace("-", "_")
    GROUPS[group].append(long)
    return made


class GroupedCommand(click.Command):
    """Shows the options of the two compilers apart."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of options for both, then one for each."""
        lists: dict[str, list[tuple[str, str]]] = {"Options": [], TVM: [], NEO: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                named = [title for title, names in GROUPS.items() if parameter.name in names]
                lists[named[0] if named else "Options"].append(record)
        for title, records in lists.items():
            with formatter.section(title):
                formatter.write_dl(records)


def tvm_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of TVM."""
    # Their order is that of the help: decorators are applied from the last to the first.
    number = {"callback": _numbers, "metavar": "N[,N,N]"}
    fraction = click.FloatRange(0, 1)
    options = [
        _option(TVM, "--target", default="x86-64", show_default=True,
                type=click.Choice(["x86-64", "x86-64-avx512", "aarch64"]),
                help="Processor; x86-64 is every one with AVX2."),
        _option(TVM, "--kind", default="auto", show_default=True,
                type=click.Choice(["auto", "classification", "ssd"]),
                help="What the model is to be; auto tells by its outputs."),
        _option(TVM, "--softmax", is_flag=True, help="Put a softmax behind the scores."),
        _option(TVM, "--background", is_flag=True, help="A detector's class 0 is the background."),
        _option(TVM, "--box-units", default="auto", show_default=True,
                type=click.Choice(["auto", "pixels", "fractions"]), help="Unit of the boxes."),
        _option(TVM, "--box-order", default="auto", show_default=True,
                type=click.Choice(["auto", "xyxy", "yxyx", "cxcywh"]),
                help="Order of a box's numbers; auto: as NonMaxSuppression has it, else xyxy."),
        _option(TVM, "--scores", metavar="TENSOR", help="Tensor of the scores, if no output."),
        _option(TVM, "--boxes", metavar="TENSOR", help="Tensor of the boxes, if no output."),
        _option(TVM, "--score-threshold", type=fraction,
                help="Suppression: detections below are dropped inside the model; default: that "
                f"of the model's NonMaxSuppression, else {SCORE_THRESHOLD}."),
        _option(TVM, "--iou-threshold", type=fraction,
                help="Suppression: overlap within a class from which the lesser is dropped; "
                f"default: likewise, else {IOU_THRESHOLD}."),
        _option(TVM, "--profile", metavar="FILE|NAME", help="The model's profile, instead of:"),
        _option(TVM, "--name", help="Name of the model; default: the file's."),
        _option(TVM, "--scale", type=float, help="value = (pixel * scale - mean) / std; "
                "default: ImageNet's, scale 1/255."),
        _option(TVM, "--mean", help="Of a channel, or of red, green and blue.", **number),
        _option(TVM, "--std", help="Likewise.", **number),
        _option(TVM, "--color-order", type=click.Choice(COLOR_ORDERS), help="Default: RGB."),
        _option(TVM, "--resize", type=click.Choice(RESIZE_RULES),
                help="Default: center-crop for classifiers, stretch for detectors."),
        _option(TVM, "--resize-shorter-side", type=click.IntRange(min=1), metavar="PIXELS",
                help="Before a centre crop."),
        _option(TVM, "--interpolation", type=click.Choice(INTERPOLATIONS),
                help="Default: linear."),
        _option(TVM, "--threshold", type=fraction, help="Score from which to publish."),
        _option(TVM, "--top-k", type=click.IntRange(1, 100), help="Most to publish of a frame."),
        _option(TVM, "--labels", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
                help="Names of the classes, one a line."),
        _option(TVM, "--image", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
                help="Image to verify with; default: a generated one."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def neo_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of SageMaker Neo."""
    options = [
        _option(NEO, "--role", metavar="ARN", help="Role that SageMaker takes for the job."),
        _option(NEO, "--framework", metavar="NAME", help="Such as mxnet, onnx, pytorch, tflite."),
        _option(NEO, "--framework-version", metavar="VERSION", help="For PyTorch, TensorFlow."),
        _option(NEO, "--target-device", metavar="NAME", help="Such as jetson_nano, rasp4b."),
        _option(NEO, "--os", metavar="NAME", help="Instead of a device: LINUX or ANDROID …"),
        _option(NEO, "--arch", metavar="NAME", help="… with X86_64, X86, ARM64, ARM_EABIHF …"),
        _option(NEO, "--accelerator", metavar="NAME", help="… and NVIDIA, MALI, INTEL_GRAPHICS."),
        _option(NEO, "--compiler-options", metavar="JSON", help="As Neo documents them."),
        _option(NEO, "--upload-to", metavar="S3_URI", help="Prefix for a local model; default: "
                "beside --output."),
        _option(NEO, "--job-name", help="Default: from the model's name and the time."),
        _option(NEO, "--max-minutes", type=click.IntRange(1, 7200), default=30, show_default=True,
                help="After which SageMaker stops the job."),
        _option(NEO, "--wait/--no-wait", default=True, show_default=True,
                help="Wait until the job is done."),
        _option(NEO, "--dry-run", is_flag=True, help="Print the request, and send nothing."),
    ]  # fmt: skip
    GROUPS[NEO].append("wait")
    for option in reversed(options):
        command = option(command)
    return command
