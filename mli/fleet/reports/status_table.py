"""The table of ``mli fleet status``, as wide as the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local_core.output.terminal import counted, shown_line

from ...device.reports.liveness import short_age
from .core_rows import CoreRow, FleetReport

_CELL = 40
_GAP = "  "


@dataclass(frozen=True)
class _Column:
    title: str
    cell: Callable[[CoreRow], str]
    is_number: bool = False


_COLUMNS = (
    _Column("core", lambda row: row.name),
    _Column("health", lambda row: row.condition),
    _Column("heard", lambda row: "-" if row.age is None else short_age(row.age), True),
    _Column("frames/s", lambda row: _rate(row), True),
    _Column("deployment", lambda row: row.deployment or "-"),
    _Column("component", lambda row: row.telemetry.version if row.telemetry else ""),
    _Column("model", lambda row: row.telemetry.model if row.telemetry else ""),
    _Column("configuration", lambda row: row.telemetry.configuration if row.telemetry else ""),
    _Column("nucleus", lambda row: row.telemetry.nucleus if row.telemetry else ""),
)
"""The most important ones first: a narrow terminal has no room for the last ones."""


def table(report: FleetReport, width: int | None) -> str:
    """Return the cores, one in a line, and what is not shown of them in ``width`` characters.

    ``width`` is None where there is no terminal: then everything is shown.
    """
    cells = [[_shown(column.cell(row)) for row in report.rows] for column in _COLUMNS]
    widths = [
        max(len(column.title), *map(len, texts))
        for column, texts in zip(_COLUMNS, cells, strict=True)
    ]
    number = _fitting(widths, width)
    lines = [_line([column.title for column in _COLUMNS[:number]], widths)]
    lines += [
        _line([texts[i] for texts in cells[:number]], widths) for i in range(len(report.rows))
    ]
    if number < len(_COLUMNS):
        hidden = ", ".join(column.title for column in _COLUMNS[number:])
        lines.append(f"(the terminal is too narrow for: {hidden}; --json has all)")
    return "\n".join(lines)


def summary(report: FleetReport, fleet_name: str) -> str:
    """Return the counts, and what to do next."""
    counts = Counter(row.condition for row in report.bad)
    counts.update({"ok": len(report.rows) - len(report.bad)})
    listed = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()) if number)
    deployed = f"; deployed: {report.version or '-'}, configuration {report.configuration or '-'}"
    lines = [f"{counted(len(report.rows), 'core')} of {fleet_name}: {shown_line(listed)}{deployed}"]
    if report.bad:
        lines.append(f"next: mli status {report.bad[0].name}")
    return "\n".join(lines)


def _fitting(widths: Sequence[int], width: int | None) -> int:
    """Return how many columns fit; two always do."""
    if width is None:
        return len(widths)
    used, number = 0, 0
    for one in widths:
        used += one + (len(_GAP) if number else 0)
        if used > width and number >= 2:
            break
        number += 1
    return number


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column.is_number else cell.ljust(width)
        for column, cell, width in zip(_COLUMNS, cells, widths, strict=False)
    )
    return _GAP.join(padded).rstrip()


def _shown(text: str) -> str:
    return shown_line(text, _CELL) or "-"


def _rate(row: CoreRow) -> str:
    rate = row.telemetry.per_second if row.telemetry else None
    return "-" if rate is None else f"{rate:.1f}"
