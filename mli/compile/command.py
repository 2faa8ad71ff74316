"""``mli compile``: compiles a trained model for DLR, here or with SageMaker Neo."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from ..aws import aws_options
from ..cli.output import Output, examples, reporting
from .options import GROUPS, NEO, TVM, GroupedCommand, neo_options, tvm_options

_EXAMPLES = examples(
    "mli compile --with tvm fruit.onnx --labels fruit.txt --image apple.jpg --output build/fruit",
    "mli compile --with tvm ssd.onnx --background --box-units fractions "
    "--target aarch64 --output build/ssd.tar.gz",
    "mli compile --with neo s3://bucket/model.tar.gz --framework mxnet "
    "--input-shape '{\"data\":[1,3,512,512]}' --target-device jetson_nano "
    "--role arn:aws:iam::111122223333:role/Neo --output s3://bucket/compiled/",
)


@click.command(cls=GroupedCommand, epilog=_EXAMPLES)
@click.argument("model")
@click.option(
    "--with",
    "compiler",
    required=True,
    type=click.Choice(["tvm", "neo"]),
    help="tvm: on this machine, from ONNX. neo: with SageMaker Neo.",
)
@click.option(
    "--output",
    "output_path",
    required=True,
    metavar="PATH|S3_URI",
    help="tvm: a folder or a .tar.gz to write. neo: an S3 prefix to write to.",
)
@click.option(
    "--input-shape",
    metavar="SHAPE",
    help="tvm: such as 1,3,224,224, if the model leaves it open. neo: JSON by input name.",
)
@tvm_options
@neo_options
@aws_options
@reporting
def compile(
    output: Output, model: str, compiler: str, output_path: str, input_shape: str | None,
    **options: Any,
) -> None:  # fmt: skip
    """Compile MODEL for the Deep Learning Runtime.

    With tvm, MODEL is an ONNX file: a classifier with one output [1,K], or a detector with scores
    [1,A,C] and boxes [1,A,4]. The artifact is verified against onnxruntime before it is written,
    and holds its own profile. With neo, MODEL is an S3 URI or a file, of any framework that Neo
    supports.
    """
    _refuse_options_of(NEO if compiler == "tvm" else TVM, compiler)
    if compiler == "neo":
        from ..sagemaker.neo import compile_with_neo, neo_job

        compile_with_neo(output, neo_job(model, output_path, input_shape, **_of(NEO, options)))
        return
    from .request import tvm_request
    from .with_tvm import compile_with_tvm

    compile_with_tvm(output, tvm_request(model, output_path, input_shape, **_of(TVM, options)))


def _of(group: str, options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in GROUPS[group]}


def _refuse_options_of(group: str, compiler: str) -> None:
    """Raise a usage error for an option of the other compiler, which would do nothing."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if given and name in GROUPS[group]:
            other = "neo" if compiler == "tvm" else "tvm"
            raise click.UsageError(f"{parameter.opts[0]} goes with --with {other} only")
