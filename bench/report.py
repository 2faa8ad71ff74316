"""The rows of a run: as JSON, as a table, and compared with those of another run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.ratio import Ratio


@dataclass(frozen=True)
class Target:
    """What the median of a row should be: at least, or else at most, ``value``."""

    value: float
    is_least: bool = False

    def is_met(self, ratio: Ratio) -> bool:
        """Return whether the median reaches it."""
        return ratio.median >= self.value if self.is_least else ratio.median <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.value:g}"


@dataclass(frozen=True)
class Row:
    """A ratio, with the figure of ours behind it as text, and a target where there is one."""

    section: str
    name: str
    ratio: Ratio
    figure: str = ""
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """The target, and whether it is met; empty without one."""
        if self.target is None:
            return ""
        return f"{self.target} {'met' if self.target.is_met(self.ratio) else 'MISSED'}"


def at_least(value: float) -> Target:
    """Return the target of a row whose median should be ``value`` or more."""
    return Target(value, is_least=True)


def at_most(value: float) -> Target:
    """Return the target of a row whose median should be ``value`` or less."""
    return Target(value)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as text, a block per section."""
    lines: list[str] = []
    section = None
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", section]
        line = f"  {row.name:<52} {row.ratio!s:<19} {row.figure:>11}   {row.verdict}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def save(rows: Iterable[Row], machine: Mapping[str, object], path: Path) -> None:
    """Write the rows as JSON, with a description of the machine."""
    report = {"machine": machine, "rows": [asdict(row) for row in rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> list[Row]:
    """Read what :func:`save` wrote.

    Raises:
        ClickException: if the file is not such a report.
    """
    try:
        return [_row(one) for one in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    except (ValueError, TypeError, KeyError):
        raise click.ClickException(
            f"{path} is not a report of this program: write one with make bench"
        ) from None


def _row(one: dict[str, Any]) -> Row:
    target = None if one["target"] is None else Target(**one["target"])
    return Row(**{**one, "ratio": Ratio(**one["ratio"]), "target": target})


def comparison(before: Iterable[Row], after: Iterable[Row]) -> str:
    """Return a table of the rows that both runs have, with the change of each median.

    A change counts only if the two spreads do not overlap. What was measured once has no spread.
    """
    old = {(row.section, row.name): row.ratio for row in before}
    lines: list[str] = []
    section = None
    for row in after:
        if (row.section, row.name) not in old:
            continue
        if row.section != section:
            section = row.section
            lines += ["", section]
        ratio = old[row.section, row.name]
        change = (row.ratio.median / ratio.median - 1) * 100 if ratio.median else 0.0
        mark = _mark(ratio, row.ratio)
        lines.append(f"  {row.name:<52} {ratio!s:<19} {row.ratio!s:<19} {change:+6.1f} %  {mark}")
    return "\n".join(lines) if lines else "The two reports have no row in common."


def _mark(before: Ratio, after: Ratio) -> str:
    if any(one.low == one.high for one in (before, after)):
        return "measured once"
    apart = after.low > before.high or after.high < before.low
    return "changed" if apart else "within the spread"
