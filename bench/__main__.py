"""``make bench``: both demo models, and the decoders of heads; writes ``build/bench.json``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import cv2

from bench import processes
from bench.statistics import Ratio, ratio
from models import store

BUILD = Path(__file__).parent.parent / "build"
PHOTOGRAPH = BUILD.parent / "edge_functions" / "dlr_inference" / "sample_images" / "coffee.jpg"
LONG = 100_000
"""Frames of a process that is killed by its parent."""

ROWS = {
    "fps_over_bare": ("frames per second, JPEG to message / bare", "≥", None),
    "rest_over_opencv_full": ("frame without model / OpenCV, whole decode", "≤", 1.3),
    "rest_over_opencv_reduced": ("frame without model / OpenCV, reduced decode", "", None),
    "start_over_bare": ("start to first prediction / bare", "≤", 1.25),
    "start_over_opencv": ("start to first prediction / bare with OpenCV", "", None),
    "memory_over_bare": ("resident memory / bare", "≤", 1.25),
    "memory_over_opencv": ("resident memory / bare with OpenCV", "", None),
}


@click.command()
@click.option("--pairs", default=15, show_default=True, help="Interleaved pairs per frame row.")
@click.option("--starts", default=7, show_default=True, help="Pairs of process starts.")
def main(pairs: int, starts: int) -> None:
    """Measure, print a table of ratios (median, smallest and largest), and write the JSON."""
    image = wide_photograph()
    results: dict[str, dict[str, Any]] = {}
    for name in store.demo_models():
        for threads in (1, 2):
            key = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
            click.echo(f"measuring {key} …", err=True)
            results[key] = measure(name, image, threads, pairs, starts)
    click.echo("measuring the decoding of raw heads …", err=True)
    heads = decoding(pairs)
    report = {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count()},
        "results": results,
        "decoding": heads,
    }
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    click.echo(table(results))
    click.echo(decoding_table(heads))


def wide_photograph() -> Path:
    """Return a JPEG of 1280×720 pixels, created from a sample photograph."""
    path = BUILD / "bench" / "1280x720.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    photograph = cv2.imread(str(PHOTOGRAPH))
    assert photograph is not None
    cv2.imwrite(str(path), cv2.resize(photograph, (1280, 720)), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def measure(name: str, image: Path, threads: int, pairs: int, starts: int) -> dict[str, Any]:
    """Return all rows for one model and number of threads."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.frames", name, str(image), str(pairs)],
        env={**os.environ, "TVM_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        check=True,
    )
    rows: dict[str, Any] = json.loads(done.stdout)
    for against, opencv in (("bare", False), ("opencv", True)):
        ours, bare = processes.ours(name, image, 1), processes.bare(name, 1, opencv=opencv)
        seconds = [
            (
                processes.seconds_to_first_line(ours, threads),
                processes.seconds_to_first_line(bare, threads),
            )
            for _ in range(starts)
        ]
        rows[f"start_over_{against}"] = asdict(ratio(seconds))
        ours, bare = processes.ours(name, image, LONG), processes.bare(name, LONG, opencv=opencv)
        memory = [
            (processes.resident_bytes(ours, threads), processes.resident_bytes(bare, threads))
            for _ in range(3)
        ]
        rows[f"memory_over_{against}"] = asdict(ratio(memory))
    return rows


def decoding(pairs: int) -> dict[str, Any]:
    """Return the cost of decoding raw heads, on one thread."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.decoders", str(pairs)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    rows: dict[str, Any] = json.loads(done.stdout)
    return rows


def decoding_table(heads: dict[str, Any]) -> str:
    """Return the cost of decoding as text: milliseconds, and the ratio to the least."""
    lines = ["", "decoding of a raw head: ms per frame, and the ratio to the least in NumPy"]
    for key, row in heads.items():
        lines.append(f"  {key:<46} {row['ms_a_frame']:7.3f}   {Ratio(**row['over_numpy'])}")
    return "\n".join(lines)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the results as text, one block per model and number of threads."""
    lines: list[str] = []
    for key, rows in results.items():
        lines += ["", f"{key}: {rows['ms_a_frame']} ms per frame"]
        for row, (title, sign, aim) in ROWS.items():
            wanted = f"   aim {sign} {aim}" if aim else ""
            lines.append(f"  {title:<46} {Ratio(**rows[row])}{wanted}")
    return "\n".join(lines)


def cpu_name() -> str:
    """Return the processor's name as Linux reports it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
