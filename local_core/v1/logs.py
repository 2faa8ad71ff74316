"""Logs, with the folders, files and lines of a V1 core.

https://docs.aws.amazon.com/greengrass/v1/developerguide/greengrass-logs-overview.html
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from .runtime.greengrass_common.function_arn_fields import FunctionArnFields


def system_log(root: Path, part: str) -> Path:
    """Return the file of a part of the core itself."""
    return root / "ggc" / "var" / "log" / "system" / f"{part}.log"


def user_log(root: Path, function_arn: str) -> Path:
    """Return the file that takes what a function or a connector says."""
    arn = FunctionArnFields(function_arn)
    folder = root / "ggc" / "var" / "log" / "user" / arn.region / arn.account_id
    return folder / f"{arn.name}.log"


class CoreLog:
    """Writes lines to one log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def info(self, text: str) -> None:
        """Log an event."""
        self._write("INFO", text)

    def warn(self, text: str) -> None:
        """Log a fault."""
        self._write("WARN", text)

    def _write(self, level: str, text: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._lock, self.path.open("a") as log:
            log.write(f"[{moment}][{level}]-{text}\n")
