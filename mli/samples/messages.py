"""Messages about samples that ``mli watch --save`` has saved, by the sample's URI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def saved_messages(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the messages in a file; other lines are left out."""
    found: dict[str, Mapping[str, Any]] = {}
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                saved = json.loads(line)
            except (ValueError, RecursionError):
                continue
            message = saved.get("payload") if isinstance(saved, dict) else None
            uri = message.get("source-ref") if isinstance(message, dict) else None
            if isinstance(message, dict) and isinstance(uri, str):
                found[uri] = message
    return found
