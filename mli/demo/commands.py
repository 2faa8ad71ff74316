"""``mli demo``: the demo models, unpacked for use or rebuilt from their registry packages."""

from __future__ import annotations

from pathlib import Path

import click

from models import store

from ..cli.output import Output, examples, reporting
from ..compile.tvm.packages import WORK
from .files import LABELS, PHOTOGRAPHS, REFERENCES

_work = click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=WORK,
    show_default=True,
    help="Folder for downloaded packages and intermediate files.",
)


def _output(default: Path) -> click.decorators.FC:
    return click.option(
        "--output",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        help="Where the result is written.",
    )


@click.group(epilog=examples("mli demo unpack", "mli demo detector build/detector.onnx"))
def demo() -> None:
    """Unpack the demo models, or rebuild them and what belongs to them.

    All but `unpack` and `detector` need the packages of mli/demo/requirements.txt.
    """


@demo.command(epilog=examples("mli demo unpack", "mli demo unpack ssdlite-mobilenet-v2-coco"))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@reporting
def unpack(output: Output, names: tuple[str, ...]) -> None:
    """Unpack the demo models NAME, or all, and print their folders, one per line."""
    folders = [str(store.unpacked(name)) for name in names or store.demo_models()]
    output.result({"folders": folders}, "\n".join(folders))


@demo.command(epilog=examples("mli demo detector build/detector.onnx"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@reporting
def detector(output: Output, file: Path) -> None:
    """Write the demo detector as ONNX to FILE, a model for trying out `mli compile`."""
    from .detector import write

    write(file, output)
    text = f"{file}: SSDLite-MobileNetV2, trained on COCO ({file.stat().st_size / 1e6:.0f} MB)"
    output.result({"file": str(file)}, text)


@demo.command(epilog=examples("mli demo make", "mli demo make efficientnet-lite0-imagenet"))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_work
@_output(Path("models"))
def make(names: tuple[str, ...], work: Path, output: Path) -> None:
    """Rebuild the packed models NAME, or all: fetch, convert, compile, pack."""
    from .make import RECIPES, make

    unknown = sorted(set(names) - set(RECIPES))
    if unknown:
        raise click.UsageError(f"no recipe for {', '.join(unknown)}; known: {', '.join(RECIPES)}")
    for name in names or RECIPES:
        make(name, work.absolute(), output)
        size = sum(path.stat().st_size for path in (output / name).iterdir())
        click.echo(f"{output / name}: {size / 1e6:.1f} MB")


@demo.command(epilog=examples("mli demo labels"))
@_work
@_output(LABELS)
def labels(work: Path, output: Path) -> None:
    """Write the names of ImageNet's classes, from timm's data files."""
    from .labels import write_labels

    write_labels(work.absolute(), output)


@demo.command(epilog=examples("mli demo photographs"))
@_work
@_output(PHOTOGRAPHS)
def photographs(work: Path, output: Path) -> None:
    """Write the sample photographs, from scikit-image's data files."""
    from .photographs import write_photographs

    write_photographs(work.absolute(), output)


@demo.command(epilog=examples("mli demo reference"))
@_work
@_output(REFERENCES)
def reference(work: Path, output: Path) -> None:
    """Write what the demo models must return for the photographs, by onnxruntime."""
    from .reference import write_references

    write_references(work.absolute(), output)


@demo.command(epilog=examples("mli demo compare"))
def compare() -> None:
    """Print how far DLR's results are from the references."""
    from .compare import compare as run

    run()
