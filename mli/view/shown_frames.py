"""Frames of a core as the page shows them: samples, and live pictures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from local_core.output.terminal import shown_line

from .drawing import Mark
from .predictions import marks_of_arrays

_TEXT = 120
_ids = itertools.count(1)


class Sample:
    """A frame that feedback kept; ``uri`` is where it is stored.

    ``late`` is how many seconds after its capture its message came, by the clocks of core and page.
    """

    def __init__(self, uri: str, identity: str, at: float) -> None:
        self.id = next(_ids)
        self.uri = uri
        self.identity = identity
        self.frame = ""
        self.at = at
        self.captured = ""
        self.late = 0.0
        self.source = ""
        self.reasons: dict[str, str] = {}
        self.marks: Sequence[Mark] | None = None

    def to_json(self, now: float) -> dict[str, Any]:
        """Return what the page shows; ``marks`` are null while nothing says them."""
        return {
            "id": self.id,
            "frame": self.frame,
            "age": round(now - self.at, 1),
            "captured": self.captured,
            "late": round(self.late, 1),
            "source": self.source,
            "reasons": list(self.reasons.values()),
            "marks": None if self.marks is None else [mark_json(mark) for mark in self.marks],
        }


class Live:
    """The live picture of a source; ``content`` is an image, unless someone else published it."""

    def __init__(self, content: bytes, head: dict[str, Any], at: float) -> None:
        frame = object_of(head, "frame")
        self.id = next(_ids)
        self.content = content
        self.identity = identity_of(frame.get("id"), head.get("timestamp"))
        self.frame = frame["id"] if isinstance(frame.get("id"), int) else ""
        self.source = end_of(frame.get("source"))
        self.at = at
        self.marks: Sequence[Mark] = marks_of_arrays(head.get("predictions"))

    def to_json(self, now: float) -> dict[str, Any]:
        """Return what the page shows."""
        return {
            "id": self.id,
            "frame": str(self.frame),
            "age": round(now - self.at, 1),
            "source": self.source,
            "marks": [mark_json(mark) for mark in self.marks],
        }


def mark_json(mark: Mark) -> dict[str, Any]:
    """Return a mark for the page; its text is safe to show, and the page shows it as text."""
    return {
        "text": mark.text,
        "colour": mark.colour,
        "score": mark.score,
        "box": mark.box,
        "points": list(mark.keypoints),
    }


def identity_of(frame: Any, captured: Any) -> str:
    """Return what an envelope and a sample's message have in common; empty if they do not say it.

    A core numbers its frames from 1 again when it restarts, so that the time belongs to it.
    """
    if frame is None or captured is None:
        return ""
    return f"{frame}@{captured}"[:_TEXT].replace("Z", "+00:00")


def seconds_since(captured: Any) -> float:
    """Return how long ago a core took a frame; 0 if it does not say when, or its clock is ahead."""
    try:
        moment = datetime.fromisoformat(captured)
        return max(0.0, (datetime.now(UTC) - moment).total_seconds())
    except (TypeError, ValueError):  # also of a time without an offset
        return 0.0


def object_of(document: Any, key: str) -> dict[str, Any]:
    """Return an object inside of another; an empty one if there is none."""
    part = document.get(key) if isinstance(document, dict) else None
    return part if isinstance(part, dict) else {}


def shown(value: Any) -> str:
    """Return a text that is safe to show, shortened; empty if it is not a text."""
    return shown_line(value, _TEXT) if isinstance(value, str) else ""


def end_of(value: Any) -> str:
    """Return the end of a long path, which says more than its beginning."""
    return shown(value[-_TEXT:]) if isinstance(value, str) else ""
