"""Which samples a user asks for."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click

from .stored import StoredObject, StoredSample

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType):
    """A date, a time, or how long ago: ``2026-11-27``, ``2026-11-27T16:30``, ``2h``, ``3d``."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time; without an offset it is UTC, as samples have it."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        ago = re.fullmatch(r"(\d{1,5})([mhdw])", text, re.ASCII)
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} must be a time such as 2026-11-27 or 2026-11-27T16:30 (UTC), or how "
                "long ago, such as 30m, 2h, 3d or 1w",
                param,
                ctx,
            )
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Wanted:
    """What samples must be; None asks for nothing."""

    strategy: str | None = None
    label: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    core: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None

    def may_be(self, found: StoredObject) -> bool:
        """Tell from the list of objects whether one can match: it is stored after its capture."""
        return self.since is None or found.modified >= self.since

    def matches(self, sample: StoredSample) -> bool:
        """Tell whether a sample is one that is asked for."""
        about = sample.about
        if self.core is not None and about.core != self.core:
            return False
        if self.since is not None and sample.moment < self.since:
            return False
        if self.until is not None and sample.moment >= self.until:
            return False
        if self.strategy is not None and not any(
            _like(self.strategy, name or "")
            for one in about.reasons
            for name in (one.config_id, one.strategy)
        ):
            return False
        if self.model is not None and not (
            _like(self.model, about.model) or about.model_sha256.startswith(self.model.lower())
        ):
            return False
        return self._has_predictions(sample)

    def _has_predictions(self, sample: StoredSample) -> bool:
        """Tell whether the best score, or the best of the label, is in the range."""
        marks = [
            mark
            for mark in sample.about.marks
            if self.label is None or _like(self.label, mark.label)
        ]
        if self.label is not None and not marks:
            return False
        best = max((mark.score for mark in marks), default=None)
        if self.min_score is not None and (best is None or best < self.min_score):
            return False
        return self.max_score is None or (best if best is not None else 0.0) <= self.max_score


def _like(pattern: str, text: str) -> bool:
    """Compare without case; ``*`` and ``?`` in the pattern stand for any characters."""
    return pattern.lower() == text.lower() or fnmatch.fnmatchcase(text.lower(), pattern.lower())
