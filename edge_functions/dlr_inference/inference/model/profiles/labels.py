"""Files of labels: one label per line, in whatever encoding an editor saved them."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_labels(path: Path) -> list[str]:
    """Return the lines of a file without blanks around them, and without blank lines at the end.

    The text is UTF-8, or what its byte order mark says, which is not part of the first label. What
    else Unicode calls the end of a line, such as U+2028, is a space in a label.

    Raises:
        OSError: if the file cannot be read.
        UnicodeDecodeError: if it is in another encoding.
    """
    content = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    lines = [
        " ".join(line.splitlines()).strip()
        for line in re.split("\r\n|\r|\n", content.decode(encoding))
    ]
    while lines and not lines[-1]:
        lines.pop()
    return lines
