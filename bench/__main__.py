"""``make bench``: everything as ratios; writes ``build/bench.json`` and ``build/bench.png``."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import click
import cv2

from bench import plot, report, sections
from models import store

BUILD = Path(__file__).parent.parent / "build"
PHOTOGRAPH = BUILD.parent / "edge_functions" / "dlr_inference" / "sample_images" / "coffee.jpg"


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="Measure less often, in under two minutes.")
@click.option("--only", help="Measure only the sections whose name contains this text.")
@click.pass_context
def main(context: click.Context, quick: bool, only: str | None) -> None:
    """Measure this project beside what people would use instead, in one run.

    Each row is a ratio: its median, with the smallest and the largest in parentheses.
    """
    if context.invoked_subcommand:
        return
    rows, bars = measured(sections.QUICK if quick else sections.WHOLE, only or "")
    report.save(rows, machine(), BUILD / "bench.json")
    click.echo(report.table(rows))
    if bars:
        plot.stages(bars, BUILD / "bench.png")
    click.echo(f"\nwritten: {BUILD / 'bench.json'}" + (" and bench.png beside it" * bool(bars)))


@main.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def compare(before: Path, after: Path) -> None:
    """Compare two reports: the medians, and whether their spreads overlap."""
    click.echo(report.comparison(report.load(before), report.load(after)))


def measured(
    effort: sections.Effort, only: str
) -> tuple[list[report.Row], dict[str, Mapping[str, float]]]:
    """Measure the sections whose title contains ``only``; return rows, and bars for the plot.

    Raises:
        click.BadParameter: naming the titles, if none contains it.
    """
    image = wide_photograph()
    rows: list[report.Row] = []
    bars: dict[str, Mapping[str, float]] = {}

    def rest(name: str) -> Iterable[report.Row]:
        found, bars[name] = sections.rest(name, image, effort)
        return found

    work: dict[str, Callable[[], Iterable[report.Row]]] = {}
    for name in store.demo_models():
        for threads in effort.threads:
            title = f"frames of {name}, threads: {threads}"
            work[title] = partial(sections.frames, name, image, threads, effort)
    for threads in effort.threads:
        work[f"engines, threads: {threads}"] = partial(sections.engines, threads, effort)
    for name in store.demo_models():
        work[f"rest of {name}"] = partial(rest, name)
    work["decoders"] = partial(sections.decoders, effort)
    work["sending"] = partial(sections.sending, image, effort)
    work["cameras"] = partial(sections.cameras, image, effort)
    work["idle"] = partial(sections.idle, image, effort)
    work["synth"] = partial(sections.synthesis, effort)
    chosen = {title: measure for title, measure in work.items() if only in title}
    if not chosen:
        reason = f"no section is called like {only!r}. There are: {'; '.join(work)}"
        raise click.BadParameter(reason, param_hint="--only")
    for title, measure in chosen.items():
        click.echo(f"measuring {title} …", err=True)
        rows += measure()
    return rows, bars


def wide_photograph() -> Path:
    """Return a JPEG of 1280×720 pixels, created from a sample photograph, beside a copy of it.

    A folder with one image would not be read ahead, because it may be rewritten at any time.
    """
    path = BUILD / "bench" / "photographs" / "1280x720.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    photograph = cv2.imread(str(PHOTOGRAPH))
    assert photograph is not None
    cv2.imwrite(str(path), cv2.resize(photograph, (1280, 720)), [cv2.IMWRITE_JPEG_QUALITY, 90])
    shutil.copy(path, path.with_name("copy.jpg"))
    return path


def machine() -> dict[str, object]:
    """Return what the figures depend on: processor, its number of cores, Python."""
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "python": platform.python_version()}


def cpu_name() -> str:
    """Return the processor's name as Linux reports it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
