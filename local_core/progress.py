"""What a run tells the user: steps with the time, predictions as people read them, a summary."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

TAIL_LINES = 8
_TAIL_CHARACTERS = 200


@dataclass(frozen=True)
class RunTimes:
    """How long the parts of one model's run took, in seconds."""

    model: str
    setup: float
    install: float
    first_prediction: float
    frames: int
    all_frames: float


class Progress:
    """Prints lines that begin with the seconds since the run began."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print ``text``."""
        click.echo(f"[{time.monotonic() - self._start:5.1f} s] {text}")

    def detail(self, text: str) -> None:
        """Print ``text`` below the line before it."""
        click.echo(f"          {text}")


def describe(payload: bytes) -> str:
    """Return a message's payload as people read it: label, score in percent, and box.

    What is not a list of predictions, nor an envelope around one, is shown as it is.
    """
    try:
        content = json.loads(payload)
    except ValueError:
        return repr(payload)
    predictions = content.get("predictions") if isinstance(content, dict) else content
    if not isinstance(predictions, list) or not all(isinstance(p, dict) for p in predictions):
        return json.dumps(content)
    try:
        text = ", ".join(_prediction(fields) for fields in predictions)
    except (KeyError, TypeError, ValueError):
        return json.dumps(content)
    return _frame(content) + (text or "nothing above the threshold")


def summary(times: Sequence[RunTimes]) -> str:
    """Return a table with a line a model."""
    width = max(len("model"), *(len(row.model) for row in times))
    head = f"{'model':<{width}}  {'set-up':>8}  {'install':>8}  {'first prediction':>16}  frames"
    rows = [
        f"{row.model:<{width}}  {row.setup:>6.1f} s  {row.install:>6.1f} s"
        f"  {row.first_prediction:>14.1f} s  {row.frames} in {row.all_frames:.1f} s"
        for row in times
    ]
    return "\n".join([head, *rows])


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last non-empty lines of ``log``, shortened; none if there is no such file."""
    if not log.exists():
        return []
    text = log.read_text(errors="replace").splitlines()
    return [line[:_TAIL_CHARACTERS] for line in text if line.strip()][-lines:]


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
