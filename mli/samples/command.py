"""``mli samples``: the samples of a core or a fleet, listed, downloaded, shown and exported."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from inference.model.profiles.labels import read_labels
from local_core.output.terminal import counted, shown_line

from ..aws import aws_options, clients
from ..cli.options import existing_file, labels_option
from ..cli.output import Output, examples, reporting
from ..cli.owner_names import CoreName
from ..errors import MliError
from ..view.pictures import Pictures, s3_fetch
from .download import download, local_path
from .exporting import export
from .exports import FORMATS
from .filters import Moment, Wanted
from .head_cache import HeadCache, cache_file
from .labelled import Labelled
from .listing import listed_objects, matching
from .messages import saved_messages
from .places import find_owner
from .sheet import MOST, write_sheet
from .stored import StoredSample

_EXAMPLES = examples(
    "mli samples Demo",
    "mli samples Demo --strategy entropy --label cup --max-score 0.6 --since 2d",
    "mli samples Demo --download samples/",
    "mli samples shop-floor --core Demo --sheet sheet.html",
    "mli samples Demo --export ground-truth --output dataset/",
)
_LISTED = 100
_SHOWN_PREDICTIONS = 3
_SCORE = click.FloatRange(0, 1)


@click.command(epilog=_EXAMPLES)
@click.argument("name", type=CoreName(), metavar="NAME")
@click.option("--strategy", metavar="NAME", help="A strategy, or the id of a configuration.")
@click.option("--label", metavar="LABEL", help="Predicted label; * stands for any characters.")
@click.option("--min-score", type=_SCORE, metavar="SCORE", help="Lowest best score (of --label).")
@click.option("--max-score", type=_SCORE, metavar="SCORE", help="Highest best score (of --label).")
@click.option("--core", metavar="CORE_NAME", type=CoreName(), help="One core of a fleet.")
@click.option(
    "--since",
    type=Moment(),
    metavar="TIME",
    help="Captured since this time in UTC, or since 2h or 3d ago.",
)
@click.option(
    "--until",
    type=Moment(),
    metavar="TIME",
    help="Captured before this time in UTC, or before 2h or 3d ago.",
)
@click.option(
    "--model", metavar="NAME", help="Name of the model, or the first digits of its sha256."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help=f"Newest N that match; default: {_LISTED}, and all with --download or --export.",
)
@click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="PREFIX",
    help="Look below this prefix of the bucket instead, such as an earlier configuration's.",
)
@existing_file(
    "--messages", help="File of `mli watch --save`: describes samples that have no metadata."
)
@click.option(
    "--download",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Download the samples; existing files are not fetched again.",
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a contact sheet, as .html or .png.",
)
@click.option(
    "--export", "form", type=click.Choice(FORMATS), help="Export the samples with their labels."
)
@click.option(
    "--output",
    "output_folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder of the export.",
)
@labels_option
@aws_options
@reporting
def samples(
    output: Output, name: str, prefixes: Sequence[str], messages: Path | None, limit: int | None,
    folder: Path | None, sheet: Path | None, form: str | None, output_folder: Path | None,
    labels: str | None, region: str | None, aws_profile: str | None, **filters: Any,
) -> None:  # fmt: skip
    """List the samples that feedback kept for the core or fleet NAME, the newest first.

    Each sample says which strategy kept it and why, what was predicted, and by which model. With
    --export the predictions become labels, to correct and to train with; --labels fixes the order
    of the classes.
    """
    _check_options(form, output_folder, labels, sheet)
    of = clients(region, aws_profile)
    owner = find_owner(of, name, prefixes)
    told = saved_messages(messages) if messages is not None else {}
    s3 = of("s3")
    objects = listed_objects(s3, owner.places, output)
    with contextlib.closing(HeadCache(cache_file())) as cache:
        found = matching(s3, objects, owner, Wanted(**filters), cache, output, told)
        most = limit or (None if folder or form else _LISTED)
        chosen = list(islice(found, most))
        has_more = len(chosen) == most and len(chosen) < len(objects)  # to be sure would cost calls
    pictures = Pictures(s3_fetch(s3))
    values: dict[str, Any] = {"samples": [one.to_json() for one in chosen], "more": has_more}
    lines = list(_lines(name, chosen, has_more, len(objects)))
    if chosen and folder is not None:
        lines += _downloaded(s3, chosen, folder, output)
        values["folder"] = str(folder)
    if chosen and sheet is not None:
        say = _progress(output, "pictures", len(chosen))
        write_sheet(sheet, chosen, pictures, f"Samples of {name}", say)
        values["sheet"] = str(sheet)
        lines.append(f"wrote {sheet}")
    if chosen and form is not None and output_folder is not None:
        classes = _classes(labels)
        labelled = Labelled.of(chosen, classes)
        say = _progress(output, "images", len(labelled.samples))
        written = export(s3, form, labelled, output_folder, pictures, say)
        values["export"] = [str(file) for file in written]
        lines += _exported(form, labelled, len(chosen), output_folder)
    output.result(values, "\n".join(lines))


def _check_options(
    form: str | None, output_folder: Path | None, labels: str | None, sheet: Path | None
) -> None:
    """Raise ``UsageError`` for options that need one another, before AWS is asked."""
    if (form is None) != (output_folder is None):
        raise click.UsageError("--export and --output FOLDER are given together")
    if labels is not None and form is None:
        raise click.UsageError("--labels is for --export")
    if sheet is not None and sheet.suffix not in MOST:
        raise click.UsageError(f"--sheet {sheet}: must end in {' or '.join(MOST)}")


def _classes(labels: str | None) -> tuple[str, ...]:
    if labels is None:
        return ()
    try:
        lines = read_labels(Path(labels))
    except UnicodeDecodeError:
        raise MliError(f"--labels {labels}: is not UTF-8 text") from None
    return tuple(dict.fromkeys(line for line in lines if line))


def _progress(output: Output, what: str, count: int) -> Any:
    return lambda done: output.status(f"{done} of {count} {what}")


def _downloaded(
    s3: Any, chosen: Sequence[StoredSample], folder: Path, output: Output
) -> Iterator[str]:
    objects = [one.object for one in chosen]
    objects += [one.mask for one in objects if one.mask is not None]
    for one in objects:
        local_path(folder, one)  # before the first is downloaded
    say = _progress(output, "samples downloaded", len(objects))
    new = download(s3, objects, lambda one: local_path(folder, one), folder, say)
    yield f"{new} downloaded to {folder}, {len(objects) - new} were there already"


def _lines(name: str, chosen: Sequence[StoredSample], has_more: bool, listed: int) -> Iterator[str]:
    if not chosen:
        yield (
            f"none of {listed} samples of {name} matches"
            if listed
            else f"{name} has no samples yet"
        )
        yield f"Next: mli view {name}" if not listed else "Next: repeat with fewer filters"
        return
    rows = [_row(one) for one in chosen]
    widths = [min(40, max(len(row[column]) for row in rows)) for column in range(4)]
    for row in rows:
        cells = [
            shown_line(text, 40).ljust(width) for text, width in zip(row[:4], widths, strict=True)
        ]
        yield "  ".join([*cells, shown_line(row[4])])
    total = counted(len(chosen), "sample")
    yield f"{total}{'; --limit N lists more' if has_more else ''}"


def _row(one: StoredSample) -> tuple[str, str, str, str, str]:
    marks = one.about.marks
    found = ", ".join(mark.text for mark in marks[:_SHOWN_PREDICTIONS])
    more = len(marks[_SHOWN_PREDICTIONS:]) + one.about.left_out
    if not marks:
        found = "nothing found" if one.is_described else "–"
    return (
        f"{one.moment:%Y-%m-%d %H:%M:%S}",
        one.about.core or "–",
        "; ".join(one.why()) or "–",
        f"{found} (+{more})" if more else found,
        f"{one.model}  {one.object.uri}".strip(),
    )


def _exported(form: str, labelled: Labelled, chosen: int, folder: Path) -> Iterator[str]:
    kind = "detector" if labelled.is_detection else "classifier"
    yield (
        f"exported {counted(len(labelled.samples), 'frame')} of {counted(chosen, 'sample')} to "
        f"{folder}, with {len(labelled.classes)} classes of a {kind}"
    )
    if labelled.without_boxes:
        yield (
            f"{labelled.without_boxes} were left out, because their predictions have no boxes: "
            "export those of one model with --model"
        )
    cut = sum(1 for one in labelled.samples if one.about.left_out)
    if cut:
        yield f"{cut} of them had more predictions than fit into their metadata: label the rest"
    if form == "ground-truth":
        algorithm = "object-detection" if labelled.is_detection else "image-classification"
        train, validation, values = (
            shlex.quote(str(folder / name))
            for name in ("train.manifest", "validation.manifest", "hyperparameters.json")
        )
        held_out = f"--validation {validation} " if len(labelled.samples) > 1 else ""
        yield (
            f"Next: mli train {algorithm} --train {train} {held_out}--hyperparameters {values} "
            "--role … --output s3://…"
        )
