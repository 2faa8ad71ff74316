"""Messages in columns that stay where they are, and within the terminal."""

from __future__ import annotations

import unicodedata

from local_core.output.terminal import LINE_CHARACTERS, shown_line

from .display import Message, latency_of, source_of, text_of

_CORE_CELLS, _MOST_CORE_CELLS = 12, 24
_LATENCY_CELLS, _SOURCE_CELLS = 9, 18
_TEXT_CELLS = 24
"""This much room remains for labels before columns are left out."""


_RATE_FROM_CELLS = 40


class Columns:
    """Time, core, latency, source, what was found, and the rate.

    Latency and source come with envelopes: their columns begin with the first one. A terminal that
    is too narrow has no source, then no latency, then no rate. ``cells`` is the width of the
    terminal, None if there is none: then no line is cut to a width.
    """

    def __init__(self) -> None:
        self._core = _CORE_CELLS
        self._has_details = False

    def line(self, message: Message, rate: float | None, cells: int | None = None) -> str:
        """Return a message in one line, whatever is in it."""
        core = shown_line(message.core_name, LINE_CHARACTERS)
        self._core = max(self._core, min(_MOST_CORE_CELLS, width_of(core)))
        core_cells = self._core if cells is None else min(self._core, max(1, cells // 4))
        shown_core = core if cells is None else cut(core, core_cells)
        head = f"{message.received:%H:%M:%S} {padded(shown_core, core_cells)} "
        tail = ""
        if message.kind == "prediction":
            is_narrow = cells is not None and cells < _RATE_FROM_CELLS
            tail = "" if rate is None or is_narrow else f"  {rate:.2f}/s"
            head += self._details(message, None if cells is None else cells - len(head))
        text = shown_line(text_of(message), LINE_CHARACTERS)
        if cells is not None:
            text = cut(text, max(1, cells - width_of(head) - len(tail)))
        whole = f"{head}{text}{tail}"
        return whole if cells is None else cut(whole, cells)

    def _details(self, message: Message, room: int | None) -> str:
        latency, source = latency_of(message), shown_line(source_of(message), LINE_CHARACTERS)
        self._has_details = self._has_details or latency is not None or bool(source)
        if not self._has_details:
            return ""
        milliseconds = "" if latency is None else f"{latency:.1f} ms"
        found = ""
        if room is None or room >= _TEXT_CELLS + _LATENCY_CELLS:
            found += f"{milliseconds:>{_LATENCY_CELLS}} "
        if room is None or room >= _TEXT_CELLS + _LATENCY_CELLS + _SOURCE_CELLS:
            found += padded(cut_start(source, _SOURCE_CELLS), _SOURCE_CELLS) + " "
        return found


def width_of(text: str) -> int:
    """Return how many cells a terminal needs for a text: two for a wide letter of East Asia."""
    return sum(map(_width, text))


def padded(text: str, cells: int) -> str:
    """Return a text with spaces behind it, up to a width."""
    return text + " " * max(0, cells - width_of(text))


def cut(text: str, cells: int) -> str:
    """Return the beginning of a text that fits into a width, with an ellipsis if it is shorter."""
    if width_of(text) <= cells:
        return text
    kept, room = "", cells - 1
    for one in text:
        room -= _width(one)
        if room < 0:
            break
        kept += one
    return kept + "…" if cells > 0 else ""


def cut_start(text: str, cells: int) -> str:
    """Return the end of a text that fits into a width: of a path, it says more."""
    return cut(text[::-1], cells)[::-1]


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
