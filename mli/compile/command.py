"""``mli compile``: prepares a trained model for a core, here or with SageMaker Neo."""

from __future__ import annotations

import importlib.util
from typing import Any

import click

from ..aws import aws_options
from ..cli.options import given_options
from ..cli.output import Output, examples, reporting
from ..errors import MliError
from .options import GROUPS, TAKEN, GroupedCommand, local_options, neo_options

_EXAMPLES = examples(
    "mli compile --with onnxruntime yolo11n.onnx --output build/yolo11n",
    "mli compile --with onnxruntime detr.onnx --preset detr --labels coco91.txt --image street.jpg "
    "--output build/detr.tar.gz",
    "mli compile --with onnxruntime yolo11n.onnx --quantize int8 --calibrate photos "
    "--output build/yolo11n-int8",
    "mli compile --with tvm fruit.onnx --labels fruit.txt --image apple.jpg --output build/fruit",
    "mli compile --with tvm ssd.onnx --background --box-units fractions "
    "--target aarch64 --output build/ssd.tar.gz",
    "mli compile --with neo s3://bucket/model.tar.gz --framework mxnet "
    "--input-shape '{\"data\":[1,3,512,512]}' --target-device jetson_xavier "
    "--role arn:aws:iam::111122223333:role/Neo --output s3://bucket/compiled/",
)
_PACKAGES = ("cv2", "numpy", "onnx", "onnxruntime")
"""What compiling on this machine imports, and requirements-operate.txt lacks."""


@click.command(cls=GroupedCommand, epilog=_EXAMPLES)
@click.argument("model")
@click.option(
    "--with",
    "compiler",
    required=True,
    type=click.Choice(list(TAKEN)),
    help="onnxruntime: an ONNX model for ONNX Runtime, on x86-64 and 64-bit ARM. tvm: ONNX for "
    "DLR, on this machine. neo: for DLR, with SageMaker Neo.",
)
@click.option(
    "--output",
    "output_path",
    required=True,
    metavar="PATH|S3_URI",
    help="A folder or a .tar.gz to write. neo: an S3 prefix to write to.",
)
@click.option(
    "--input-shape",
    metavar="SHAPE",
    help="Such as 1,3,224,224, if the model leaves it open. neo: JSON by input name.",
)
@local_options
@neo_options
@aws_options
@reporting
def compile(
    output: Output, model: str, compiler: str, output_path: str, input_shape: str | None,
    **options: Any,
) -> None:  # fmt: skip
    """Prepare MODEL for a core.

    With onnxruntime and tvm, MODEL is an ONNX file whose one input is an image. Its outputs are
    recognised, or described by --preset or --profile; a file that Ultralytics exported describes
    itself. The artifact is verified against the original before it is written, and holds its own
    profile. With neo, MODEL is an S3 URI or a file, of any framework that Neo supports.
    """
    _refuse_options_of_others(compiler)
    taken = {name for group in TAKEN[compiler] for name in GROUPS[group]}
    given = {name: value for name, value in options.items() if name in taken}
    if compiler == "neo":
        from ..sagemaker.neo import compile_with_neo, neo_job

        compile_with_neo(output, neo_job(model, output_path, input_shape, **given))
        return
    _check_packages(compiler)
    from .request import local_request

    request = local_request(model, output_path, input_shape, **given)
    if compiler == "onnxruntime":
        from .with_onnxruntime import compile_with_onnxruntime

        compile_with_onnxruntime(output, request)
        return
    from .with_tvm import compile_with_tvm

    compile_with_tvm(output, request)


def _check_packages(compiler: str) -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MliError(
            f"--with {compiler} needs the packages {', '.join(missing)}: "
            "pip install -r requirements-dev.txt"
        )


def _refuse_options_of_others(compiler: str) -> None:
    """Raise a usage error for an option of another compiler, which would do nothing."""
    for name, option in given_options().items():
        groups = [group for group, names in GROUPS.items() if name in names]
        if groups and not set(groups) & set(TAKEN[compiler]):
            takers = [one for one, taken in TAKEN.items() if set(groups) & set(taken)]
            raise click.UsageError(f"{option} goes with --with {' or '.join(takers)} only")
