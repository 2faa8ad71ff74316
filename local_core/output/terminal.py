"""Text of others, such as topics, labels and log lines, made safe for a terminal.

An escape sequence in it could rename the window, move the cursor over earlier lines, or fill the
clipboard, and a bidirectional control could reorder what is read.
"""

from __future__ import annotations

import json
from typing import Any

LINE_CHARACTERS = 300
"""How much is shown of a text that has no form of its own."""


def counted(number: int, what: str) -> str:
    """Return ``number`` with its noun, which is given in the singular and takes an s."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def shown_line(text: str, limit: int | None = None) -> str:
    """Return ``text`` as one line, with what is not printable escaped, and at most ``limit`` long.

    Escaped are C0 and C1 controls, bidirectional controls and other format characters, and lone
    surrogates, which no stream can encode.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def shown_text(text: str) -> str:
    """Return ``text`` like :func:`shown_line`, but with its line breaks."""
    return "\n".join(shown_line(line) for line in text.split("\n"))


def json_line(value: Any) -> str:
    """Return ``value`` as one line of JSON, in which everything that is not printable is escaped.

    It reads back as the same value.
    """
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _escaped(character: str) -> str:
    return " " if character == "\t" else ascii(character)[1:-1]
