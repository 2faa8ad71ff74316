"""What a run shows the user: steps with their times, readable predictions, a summary."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .terminal import LINE_CHARACTERS, shown_line, shown_text

TAIL_LINES = 8
_TAIL_CHARACTERS = 200
_BAR_WIDTH = 30


@dataclass(frozen=True)
class RunTimes:
    """How long the steps of one model's run took, in seconds, and its results.

    ``deploy`` is from the beginning to the complete stack, ``first_prediction`` from there.
    """

    model: str
    deploy: float
    first_prediction: float
    frames: int
    all_frames: float
    samples: int


class Progress:
    """Prints lines that begin with the seconds since the start of the run."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._counts: Counter[str] = Counter()

    def say(self, text: str) -> None:
        """Print ``text``."""
        click.echo(f"[{time.monotonic() - self._start:5.1f} s] {shown_text(text)}")

    def detail(self, text: str) -> None:
        """Print ``text`` below the line before it."""
        click.echo(f"          {shown_text(text)}")

    def count(self, topic: str) -> None:
        """Count a message that is not shown by itself."""
        self._counts[topic] += 1

    def say_counts(self) -> None:
        """Print how many messages of each topic were counted since the last time."""
        for topic, number in sorted(self._counts.items()):
            self.say(f"{topic}: {number} message{'s' if number > 1 else ''}")
        self._counts.clear()

    def bar(self, label: str) -> Callable[[int, int], None]:
        """Return a progress bar for done and whole bytes; it is silent without a terminal."""
        if not sys.stdout.isatty():
            return lambda done, whole: None

        def show(done: int, whole: int) -> None:
            filled = _BAR_WIDTH * done // max(whole, 1)
            bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
            click.echo(f"\r{label} {bar} {done / 2**20:.1f}/{whole / 2**20:.1f} MB", nl=False)
            if done >= whole:
                click.echo()

        return show


def describe(payload: bytes) -> str:
    """Return a message's payload in readable form: label, score in percent, and box.

    Anything but a list of predictions, or an envelope around one, is shown as it is, shortened.
    """
    raw = shown_line(payload.decode(errors="backslashreplace"), LINE_CHARACTERS)
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return raw
    predictions = content.get("predictions") if isinstance(content, dict) else content
    if not isinstance(predictions, list) or not all(isinstance(p, dict) for p in predictions):
        return raw
    try:
        text = ", ".join(_prediction(fields) for fields in predictions)
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return raw
    return shown_line(_frame(content) + (text or "nothing above the threshold"))


def summary(times: Sequence[RunTimes]) -> str:
    """Return a table with a line per model."""
    width = max(len("model"), *(len(row.model) for row in times))
    head = f"{'model':<{width}}  {'deployed':>9}  {'first prediction':>16}  {'frames':<14}  samples"
    rows = [
        f"{row.model:<{width}}  {row.deploy:>7.1f} s  {row.first_prediction:>14.1f} s"
        f"  {f'{row.frames} in {row.all_frames:.1f} s':<14}  {row.samples}"
        for row in times
    ]
    return "\n".join([head, *rows])


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last non-empty lines of ``log``, shortened; none if there is no such file."""
    if not log.exists():
        return []
    text = log.read_text(errors="replace").splitlines()
    return [shown_line(line[:_TAIL_CHARACTERS]) for line in text if line.strip()][-lines:]


def _prediction(fields: dict[str, Any]) -> str:
    label = fields["prediction"] if "prediction" in fields else fields["label"]
    score = float(fields["confidence"] if "confidence" in fields else fields["score"])
    box = "".join(f" {edge:.2f}" for edge in fields.get("box", ()))
    return f"{label} {score:.0%}" + (f" [{box.strip()}]" if box else "")


def _frame(content: Any) -> str:
    frame = content.get("frame") if isinstance(content, dict) else None
    if not isinstance(frame, dict) or not isinstance(frame.get("source"), str):
        return ""
    return f"{Path(frame['source']).name}: "
